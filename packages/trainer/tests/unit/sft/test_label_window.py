from __future__ import annotations

from types import SimpleNamespace

import torch
from qa_trainer.sft.label_window import LabelWindow


class Backbone(torch.nn.Module):
    def forward(self, hidden):
        return SimpleNamespace(last_hidden_state=hidden)


def test_each_label_meets_the_hidden_state_of_the_position_before_it():
    window, backbone = LabelWindow(), Backbone()
    window.attach(backbone)
    labels = torch.tensor([[-100, -100, 11, 12, 13], [-100, 21, -100, 22, -100], [-100] * 5])
    # The state of row r at position p is 10 r + p.
    hidden = (torch.arange(3)[:, None] * 10 + torch.arange(5))[..., None].float()
    shifted = window.shift(labels)
    cut = backbone(hidden).last_hidden_state[..., 0]
    assert shifted.tolist() == [[11, 12, 13], [21, 22, -100], [-100, -100, -100]]
    assert cut[shifted != -100].tolist() == [1, 2, 3, 10, 12]
    # One call of `shift` serves one forward pass.
    assert backbone(hidden).last_hidden_state is hidden
    window.shift(labels)
    window.detach()
    assert backbone(hidden).last_hidden_state is hidden


def test_gradients_reach_the_chosen_positions_only():
    window, backbone = LabelWindow(), Backbone()
    window.attach(backbone)
    hidden = torch.zeros(2, 4, 1, requires_grad=True)
    shifted = window.shift(torch.tensor([[-100, 1, -100, 2], [-100, -100, 3, -100]]))
    (backbone(hidden).last_hidden_state[..., 0] * (shifted != -100)).sum().backward()
    assert hidden.grad is not None
    assert hidden.grad[..., 0].tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]
