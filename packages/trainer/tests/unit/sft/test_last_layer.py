"""The last layer computes the labelled positions alone."""

from __future__ import annotations

import pytest
from qa_trainer.models.loading import load_model
from qa_trainer.sft.label_window import LabelWindow


@pytest.mark.parametrize("recomputed", [False, True])
def test_outputs_and_gradients_are_those_of_the_whole_layer(tiny_model, recomputed):
    import torch

    ids = torch.randint(10, 200, (3, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    labels = torch.full_like(ids, -100)
    labels[0, 7:], labels[1, 5], labels[2, 3:6] = ids[0, 7:], ids[1, 5], ids[2, 3:6]
    found = []
    for cut in (False, True):
        model, _ = load_model(tiny_model)
        model.train()
        if recomputed:
            model.gradient_checkpointing_enable()
        backbone, window = model.model, LabelWindow()
        mlp_rows = []
        backbone.language_model.layers[-1].mlp.register_forward_pre_hook(lambda _, x, n=mlp_rows: n.append(x[0].shape))
        if cut:
            window.attach(backbone)
            targets = window.shift(labels)
        else:
            targets = labels[:, 1:]
        hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        hidden = hidden if cut else hidden[:, :-1]
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden).flatten(0, 1), targets.flatten())
        loss.backward()
        assert mlp_rows[0] == (3, 3 if cut else 9, 192)
        found.append((float(loss.detach()), [p.grad for p in backbone.language_model.parameters()]))
        window.detach()
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
