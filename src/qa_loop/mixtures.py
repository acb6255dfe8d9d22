"""Mixture files of the rounds: new questions, replay of earlier ones, general data, by share."""

from __future__ import annotations

import json

from qa_loop.sections import LoopConfig
from qa_loop.stage import STORE, round_folder
from qa_loop.stages import MIXTURES


def mixtures(config: LoopConfig) -> dict[str, str]:
    """Write the mixture file of every round that has one: path in the run's folder to text."""
    train, found = config.train, {}
    for number in range(1, config.run.rounds + 1):
        replay = train.replay if number > 1 else 0.0
        if not replay and not train.general:
            continue
        new = 1 - replay - sum(entry.share for entry in train.general)
        lines = ["version = 1", *_source("new", new)]
        for t in range(1, number) if replay else ():
            where = {"questions": f"../{round_folder(t)}/questions", "store": f"../{STORE}"}
            lines += _source(f"replay_{t}", replay / (number - 1), **where)
        for entry in train.general:
            images = {"images": entry.images} if entry.images else {}
            lines += _source(entry.name, entry.share, data=entry.data, **images)
        found[f"{MIXTURES}/round_{number:02d}.toml"] = "\n".join(lines) + "\n"
    return found


def _source(name: str, share: float, **paths: str) -> list[str]:
    """Write one source of a mixture file."""
    return ["", "[[source]]", f"name = {json.dumps(name)}", f"share = {share!r}"] + [
        f"{key} = {json.dumps(path)}" for key, path in paths.items()
    ]
