"""Learning rates and weight decay of single parts of a model."""

from __future__ import annotations

from typing import Any

from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import part_of
from qa_trainer.settings.shared import RunSettings, by_part


def separate_parts(optimizer: Any, model: Any, settings: RunSettings) -> None:
    """Move the parts with rates of their own out of the groups of a new optimizer, into groups behind those.

    The groups that stay come first, because what is shown as the learning rate is that of the first. Without such parts
    nothing changes, so that earlier states of optimizers fit.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Without state. A group with weight decay 0 (norms, biases) keeps it.
    model : Module
        Whose parameters it has.
    settings : RunSettings

    Raises
    ------
    QATrainerError
        Nothing that is trained belongs to a part.
    """
    rates, decays = by_part(settings.part_learning_rate), by_part(settings.part_weight_decay)
    parts = [*rates, *(part for part in decays if part not in rates)]
    owner = {id(parameter): part_of(name) for name, parameter in model.named_parameters()}
    added: list[dict[str, Any]] = []
    for part in parts:
        found = False
        for number, group in enumerate(optimizer.param_groups):
            own = [parameter for parameter in group["params"] if owner.get(id(parameter)) == part]
            found |= bool(own)
            group["params"] = [parameter for parameter in group["params"] if owner.get(id(parameter)) != part]
            if own:
                own_group = {key: value for key, value in group.items() if key != "params"} | {"params": own}
                own_group["lr"] = rates.get(part, group["lr"])
                # transformers puts what decays into its first group, also where the decay is 0.
                own_group["weight_decay"] = decays.get(part, group["weight_decay"]) if number == 0 else 0.0
                added.append(own_group)
        if not found:
            raise QATrainerError(
                f"part_learning_rate or part_weight_decay names {part}, and nothing that is trained belongs to it."
            )
    for group in added:
        optimizer.add_param_group(group)
