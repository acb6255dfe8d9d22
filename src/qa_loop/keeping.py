"""Which rounds keep their weights: what no later stage reads is removed, its tables stay, and nobody calls it damage.

Beside what a stage of training wrote, `pruned.json` names the folders that went. It is written first, so that a loop
that is killed in between goes on removing; a stage that needs them after all has the training done again.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from qa_contract.files import write_json

from qa_loop.manifest import Record
from qa_loop.sections import LoopConfig
from qa_loop.stage import PRUNED, Stage, removed
from qa_loop.stopping import best_round

WEIGHTS = ("model", "adapter", "state")
"""Folders of a stage of training that hold weights and the state of the optimizer."""
TRAINING = ("train", "reinforce")
"""Kinds of stages that write them."""


def reads_weights(stage: Stage, training: Stage) -> bool:
    """Tell whether a stage reads weights or state of a training, not only its tables.

    Examples
    --------
    >>> train = Stage("t", "train", 1, ("qa-trainer", "sft"), "r/train", (), (), "")
    >>> [reads_weights(Stage("s", "eval", 1, words, "o", ("r/train",), (), ""), train)
    ...  for words in (("run", "--model", "r/train/model"), ("label", "r/train"), ("sft", "--state-from", "r/train"))]
    [True, False, True]
    """
    words = stage.argv
    goes_on = any(pair == ("--state-from", training.out) for pair in itertools.pairwise(words))
    return goes_on or f"{training.out}/model" in words


def prune(
    config: LoopConfig, folder: Path, stages: Sequence[Stage], records: Mapping[str, Record], *, last: int
) -> None:
    """Remove the weights of every round that is whole, read no more, and not to be kept.

    Parameters
    ----------
    config : LoopConfig
    folder : Path
        Of the run.
    stages : sequence of Stage
        All that there are in the end.
    records : mapping of str to Record
    last : int
        The last round of the run.
    """
    if config.run.keep == "all":
        return
    done = {s.name for s in stages if s.name in records and records[s.name].state == "done" and s.complete(folder)}
    whole = [t for t in range(1, last + 1) if all(s.name in done for s in stages if s.round == t)]
    n = config.run.keep if isinstance(config.run.keep, int) else 1
    kept = {last, *whole[-n:]}
    if best := best_round(config, folder):
        kept.add(best[0])
    for training in stages:
        if training.kind not in TRAINING or training.round not in whole or training.round in kept:
            continue
        if all(stage.name in done for stage in stages if reads_weights(stage, training)):
            remove_weights(folder / training.out)


def most_held(config: LoopConfig) -> int:
    """Count the rounds whose weights are on disk at the same time, at most: those kept, and the one being trained."""
    keep, rounds = config.run.keep, config.run.rounds
    if keep == "all":
        return rounds
    return min(
        rounds, (keep if isinstance(keep, int) else 1) + (config.stop is not None and config.stop.on is not None) + 1
    )


def remove_weights(out: Path) -> None:
    """Say what goes, then remove it; a hidden name first, so that no folder is ever there by half."""
    if not (out / PRUNED).is_file():
        write_json(out / PRUNED, {"removed": [name for name in WEIGHTS if (out / name).is_dir()]})
    for name in removed(out):
        if (out / name).is_dir():
            (out / name).replace(out / f".{name}.pruned")
    for left in out.glob(".*.pruned"):
        shutil.rmtree(left)
