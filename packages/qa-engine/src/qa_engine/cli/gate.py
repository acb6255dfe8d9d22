"""Commands between asking and training: mix, gate, choose, draw."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Out, Questions, Seed, Wrote, close, shell

from qa_engine.cli.options import NEXT_ROUND, Explore, MayFallShort, Round, SamplerState, ShuffledOf

Evidence = Annotated[list[Path] | None, typer.Option(help="Tables 'confidence' of 'qa-confidence signal'.")]


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    for command in (mix, gate, choose, draw):
        app.command(topic="Questions")(command)


def mix(
    sources: Annotated[list[Path], typer.Argument(help="Tables 'questions', each of one proposer.")],
    *,
    out: Out,
    take: Annotated[list[int], typer.Option(min=0, help="Questions wanted of each, in the same order.")],
    exclude: Annotated[list[Path] | None, typer.Option(help="Questions asked before.")] = None,
    may_fall_short: MayFallShort = False,
    round: Round = 0,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Put the questions of several proposers together; what one lacks the others fill up.

    Questions about a scene whose programs mean the same are one; a refusal is a row of 'rejects'. Exit code 1: the
    output is there, but all together have fewer questions than wanted.
    """
    from dataclasses import asdict

    from qa_contract.files import check_output_folder

    from qa_engine.errors import QAEngineError
    from qa_engine.generation.mix import write_mixed

    began = time.perf_counter()
    check_output_folder(out, force=force)
    if len(take) != len(sources):
        raise QAEngineError(f"{len(sources)} tables and {len(take)} times --take; give one --take for each table.")
    if len({path.name for path in sources}) < len(sources):
        raise QAEngineError("two of the tables have the same name; proposers are told apart by it.")
    mixed = write_mixed(sources, take, out, exclude=exclude or (), seed=seed, round=round, force=force)
    missing = sum(take) - len(mixed.questions)
    if missing:
        typer.echo(f"{missing} of {sum(take)} questions are missing: the proposers wrote no more.", err=True)
    close(
        Wrote(out, len(mixed.questions), "questions"),
        since=began,
        notes=[f"{share.source} {share.taken} of {share.share}" for share in mixed.shares],
        rejects=dict(mixed.rejects["reason"].value_counts().sort("reason").iter_rows()),
        lost=0 if may_fall_short else missing,
        next=shell("qa-engine", "gate", out, "--out", "DIR"),
        summary={"sources": [asdict(share) for share in mixed.shares]},
        as_json=as_json,
    )


def gate(
    questions: Questions,
    *,
    out: Out,
    gates: Annotated[str | None, typer.Option(help="Gates, with commas; see 'qa-engine gates'. Default: all.")] = None,
    store: Annotated[Path | None, typer.Option(help="Store of the scenes: tells what frames show.")] = None,
    evidence: Evidence = None,
    exclude: Annotated[list[Path] | None, typer.Option(help="Questions asked before.")] = None,
    about: Annotated[
        list[Path] | None, typer.Option(help="Further questions that --evidence is about, such as the panel.")
    ] = None,
    audit: Annotated[list[Path] | None, typer.Option(help="Tables 'bias' of 'qa-engine audit --prune'.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Questions to keep of those that pass.")] = None,
    may_fall_short: MayFallShort = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Let through what may be trained on; refuse duplicates, shortcuts, what is unanswerable, suspect, trivial, blind.

    Every refusal is a row of 'rejects'. Exit code 1: the output is there, but there are fewer questions than `--count`.
    """
    from dataclasses import asdict

    from qa_contract.files import check_output_folder

    from qa_engine.errors import QAEngineError
    from qa_engine.generation.gates.files import write_passed

    began = time.perf_counter()
    check_output_folder(out, force=force)
    names = None if gates is None else [name.strip() for name in gates.split(",") if name.strip()]
    if names == []:
        raise QAEngineError("--gates names no gate. See 'qa-engine gates'.")
    passed = write_passed(
        questions,
        out,
        names=names,
        store=store,
        evidence=evidence or (),
        exclude=exclude or (),
        about=about or (),
        audit=audit or (),
        count=count,
        force=force,
    )
    missing = 0 if count is None else count - len(passed.questions)
    if missing:
        typer.echo(f"{missing} of {count} questions are missing: the gates left no more. Offer more.", err=True)
    close(
        Wrote(out, len(passed.questions), "questions"),
        since=began,
        rejects={one.gate: one.refused for one in passed.yields},
        lost=0 if may_fall_short else missing,
        next=shell("qa-trainer", "sft", out, "--store", "STORE", "--out", "RUN"),
        summary={"gates": [asdict(one) for one in passed.yields]},
        as_json=as_json,
    )


def choose(
    questions: Questions,
    *,
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="Questions to choose.")],
    mix: Annotated[
        str | None, typer.Option(help="Question types and their shares, TYPE=SHARE,...; others are left out.")
    ] = None,
    exclude: Annotated[list[Path] | None, typer.Option(help="Questions that are not chosen.")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Weights of types and cells by feedback; see 'qa-engine samplers'.", rich_help_panel=NEXT_ROUND
        ),
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="Table 'feedback'; without it types share alike.", rich_help_panel=NEXT_ROUND)
    ] = None,
    explore: Explore = None,
    shuffled_of: ShuffledOf = None,
    sampler_state: SamplerState = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose from questions that there are: as they are, by shares of their types, or by a sampler and feedback.

    Exit code 1: the output is there, but there are fewer questions than `--count`.
    """
    from qa_contract.files import check_output_folder

    from qa_engine.generation.choosing import write_chosen

    began = time.perf_counter()
    check_output_folder(out, force=force)
    n, notes = write_chosen(
        questions,
        out,
        count,
        mix=mix,
        sampler=sampler,
        feedback=feedback,
        explore=explore,
        shuffled_of=shuffled_of,
        state=sampler_state,
        exclude=exclude or (),
        seed=seed,
        force=force,
    )
    for note in notes:
        typer.echo(note, err=True)
    if n < count:
        typer.echo(f"{count - n} of {count} questions are missing: the table holds no more.", err=True)
    close(
        Wrote(out, n, "questions"),
        since=began,
        lost=count - n,
        next=shell("qa-trainer", "sft", out, "--store", "STORE", "--out", "RUN"),
        summary={"chosen": n},
        as_json=as_json,
    )


def draw(
    questions: Questions,
    *,
    out: Out,
    count: Annotated[int, typer.Option(min=0, help="Questions to draw.")],
    whole: Annotated[list[Path] | None, typer.Option(help="Tables 'questions' that are taken whole.")] = None,
    again: Annotated[
        Path | None, typer.Option(help="Table 'questions' of an earlier draw: what --doubts says was sure and wrong.")
    ] = None,
    doubts: Annotated[
        Path | None, typer.Option(help="Signal of that draw; scenes that it doubts get a quarter of the new one.")
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Draw questions alike over types and cells, for a clean pass or for replay."""
    from qa_contract.files import check_output_folder

    from qa_engine.generation.draw import write_drawn

    began = time.perf_counter()
    check_output_folder(out, force=force)
    found = write_drawn(questions, out, count, whole=whole or (), again=again, doubts=doubts, seed=seed, force=force)
    close(
        Wrote(out, found.written, "questions"),
        since=began,
        notes=[f"{found.drawn} drawn of {found.offered}, {found.looked} about scenes in doubt"],
        next=shell("qa-eval", "run", out, "--store", "STORE", "--model", "MODEL", "--out", "DIR"),
        summary={"drawn": found.drawn},
        as_json=as_json,
    )
