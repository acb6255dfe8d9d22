from __future__ import annotations

import pytest
import torch
from qa_trainer.errors import QATrainerError
from qa_trainer.runs.optimizer import separate_parts
from qa_trainer.settings.shared import RunSettings


def model_with(**parts: bool) -> torch.nn.Module:
    """A module per part with a weight and a bias, trained or not."""
    model = torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in parts})
    for name, trained in parts.items():
        model[name].requires_grad_(trained)
    return model


def groups(model, **settings):
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    both = [{"params": [p for name, p in named if name.endswith(end)]} for end in ("weight", "bias")]
    optimizer = torch.optim.AdamW([both[0] | {"weight_decay": 0.1}, both[1] | {"weight_decay": 0.0}], lr=1.0)
    separate_parts(optimizer, model, RunSettings(**settings))
    names = {id(p): name for name, p in named}
    return [
        (group["lr"], group["weight_decay"], [names[id(p)] for p in group["params"]])
        for group in optimizer.param_groups
    ]


def test_a_part_has_its_own_learning_rate_and_decay_and_biases_none():
    model = model_with(visual=True, connector=True, language_model=True)
    assert groups(model, part_learning_rate=("connector=0.5",), part_weight_decay=("connector=0.3", "vision=0")) == [
        (1.0, 0.1, ["language_model.weight"]),
        (1.0, 0.0, ["language_model.bias"]),
        (0.5, 0.3, ["connector.weight"]),
        (0.5, 0.0, ["connector.bias"]),
        (1.0, 0.0, ["visual.weight"]),
        (1.0, 0.0, ["visual.bias"]),
    ]


@pytest.mark.parametrize("parts", [{"language_model": True}, {"language_model": True, "connector": False}])
def test_a_part_that_is_not_there_or_not_trained_is_refused(parts):
    with pytest.raises(QATrainerError, match=r"names connector, and nothing that is trained belongs to it"):
        groups(model_with(**parts), part_learning_rate=("connector=0.5",))
