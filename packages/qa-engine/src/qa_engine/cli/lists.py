"""Commands that list what there is: datasets, tasks, samplers, gates, operators, the grammar of programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from qa_contract.cli import COMMON, App

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.", rich_help_panel=COMMON)]


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    for command in (datasets, tasks, samplers, gates, operators, grammar):
        app.command(topic="What there is")(command)


def datasets(*, as_json: AsJson = False) -> None:
    """List the datasets that `ingest` can read and what each needs."""
    from qa_engine.datasets import DATASETS
    from qa_engine.datasets.base import flag

    if as_json:
        _print(
            {
                "name": dataset.name,
                "needs": dataset.needs,
                "options": [flag(name) for name in sorted(dataset.options)],
                "settings": {setting.name: list(setting.values) for setting in dataset.settings},
                "free_settings": [setting.name for setting in dataset.settings if setting.parse is not None],
                "description": dataset.description,
            }
            for dataset in DATASETS.values()
        )
        return
    width = max(len(dataset.name) for dataset in DATASETS.values())
    for dataset in DATASETS.values():
        typer.echo(f"{dataset.name:{width}}  {dataset.description}\n{'':{width}}  ROOT: {dataset.needs}")
        for setting in dataset.settings:
            other = f"; or {setting.other}" if setting.other else ""
            typer.echo(f"{'':{width}}  --set {setting.name}={'|'.join(setting.values)}: {setting.help}{other}")


def tasks(*, as_json: AsJson = False) -> None:
    """List the question types: answer, cells of their difficulty, and what a scene needs."""
    from qa_engine.tasks import BLIND, DEFAULT, FAMILIES, TASKS

    if as_json:
        _print(
            {
                "question_type": task.question_type,
                "answer_type": task.answer_type,
                "unit": task.unit,
                "margin_unit": task.margin_unit,
                "cells": list(task.knob.cells),
                "cell_unit": task.knob.unit,
                "needs": task.needs,
                "family": task.tags.family,
                "level": task.tags.level,
                "abilities": list(task.tags.abilities),
                "gives": "choice" if task.answer_type == "choice" else "metric",
                "inputs": "video" if task.shows == "video" else "images",
                "frames_needed": task.tags.frames_needed,
                "wordings": [task.question, *task.wordings],
                "program": task.program,
                "asked_by_default": task.question_type in DEFAULT,
                "in_all": task.question_type in FAMILIES["all"],
                "blind": asdict(BLIND[task.question_type]) if task.question_type in BLIND else None,
            }
            for task in TASKS.values()
        )
        return
    width = max(len(name) for name in TASKS)
    for task in TASKS.values():
        answer = f"{task.answer_type}{', ' + task.unit if task.unit else ''}"
        typer.echo(f"{task.question_type:{width}}  {answer:15}  {' '.join(task.knob.cells)} ({task.knob.unit})")
        typer.echo(f"{'':{width}}  needs {task.needs}")
        if task.question_type not in FAMILIES["all"]:
            blind = BLIND[task.question_type]
            scores = f"{100 * blind.score:.0f}% without looking, {100 * blind.chance:.0f}% by chance"
            typer.echo(f"{'':{width}}  not in 'all': {scores}")
    for family, names in FAMILIES.items():
        said = f"= {', '.join(names)}" if len(names) < len(TASKS) else "= every type above"
        typer.echo(f"{family:{width}}  {f'{len(names)} types' if ':' in family else said}")


def samplers(*, as_json: AsJson = False) -> None:
    """List the samplers of `generate`: how feedback decides what is asked next."""
    from qa_engine.generation.samplers import SAMPLERS

    if as_json:
        _print({"name": name, "about": sampler.about} for name, sampler in SAMPLERS.items())
        return
    width = max(map(len, SAMPLERS))
    for name, sampler in SAMPLERS.items():
        typer.echo(f"{name:{width}}  {sampler.about}")


def gates(*, as_json: AsJson = False) -> None:
    """List the gates of `gate` in the order in which they apply: what must not be trained on."""
    from qa_engine.generation.gates import GATES

    if as_json:
        _print({"name": name, "about": gate.about} for name, gate in GATES.items())
        return
    width = max(map(len, GATES))
    for name, gate in GATES.items():
        typer.echo(f"{name:{width}}  {gate.about}")


def operators(*, as_json: AsJson = False) -> None:
    """List the operators of the program language: call, result, unit, meaning."""
    from qa_engine.programs import OPERATORS

    if as_json:
        _print({"name": n, "signature": o.signature(n), "doc": o.doc} for n, o in OPERATORS.items())
        return
    for name, operator in OPERATORS.items():
        typer.echo(f"{operator.signature(name)}\n    {operator.doc}")


def grammar(
    *,
    format: Annotated[Literal["gbnf", "lark"], typer.Option(help="gbnf for llama.cpp, lark for vLLM.")] = "gbnf",
    of: Annotated[
        Literal["program", "reply"], typer.Option(help="One program, or a reply to 'propose' as JSON.")
    ] = "program",
    store: Annotated[Path | None, typer.Option(help="Store of --scene.")] = None,
    scene: Annotated[str | None, typer.Option(help="Name only its objects and categories.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Questions of a reply, at most.")] = 5,
) -> None:
    """Print the grammar of the program language, for guided decoding; operators, types and units are right in it."""
    from qa_engine.errors import QAEngineError
    from qa_engine.facts.scene import Facts
    from qa_engine.generation.llm.guide import reply_grammar, words_of
    from qa_engine.programs.grammar import program_grammar
    from qa_engine.programs.notations import to_gbnf, to_lark
    from qa_engine.scenes.store import Store
    from qa_engine.views.sightings import SightingIndex

    if (store is None) != (scene is None):
        raise QAEngineError("--store and --scene belong together: give both, or neither.")
    words = None
    if store is not None and scene is not None:
        opened = Store(store)
        words = words_of(Facts(opened.load_scene(scene), sightings=SightingIndex(opened).of))
    found = reply_grammar(words, count) if of == "reply" else program_grammar(words)
    typer.echo(to_gbnf(found) if format == "gbnf" else to_lark(found), nl=False)


def _print(rows: Any) -> None:
    typer.echo(json.dumps(list(rows), indent=1))
