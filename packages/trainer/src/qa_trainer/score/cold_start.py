"""A cold start: chains of reasoning that end in right answers, for supervised training before reinforcement."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import atomic_path, write_json
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import PREDICTIONS, REJECTS

from qa_trainer.data.images import with_cache
from qa_trainer.data.leakage import refuse_benchmark_scenes
from qa_trainer.data.questions import Samples, load_samples
from qa_trainer.data.window import within_window
from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import attention_of, load_model, model_hash, resolve_model, window_of
from qa_trainer.rewards.answers import scores
from qa_trainer.rewards.reasoning import reasoning
from qa_trainer.runs.reporter import Reporter, Silent
from qa_trainer.score.run import answer, answered_rows, chosen_rows, identity_of, place
from qa_trainer.settings.cold_start import ColdStartSettings

PRODUCER = "qa-trainer cold-start"
DATA, MIXTURE = "chains.jsonl", "mixture.toml"


@dataclass(frozen=True)
class ColdStartSummary:
    """The outcome: identities, questions asked, chains drawn, questions kept, refused rows, seconds."""

    run_id: str
    model_id: str
    questions: int
    chains: int
    kept: int
    rejects: int
    seconds: float


def cold_start(
    questions: Path,
    store: Path,
    model_name: str,
    settings: ColdStartSettings,
    out: Path,
    *,
    allow_benchmark_scenes: bool = False,
    reporter: Reporter | None = None,
) -> ColdStartSummary:
    """Draw chains, keep the best of each question where it is good, and write what `sft` trains on to `out`.

    `out` gets `chains.jsonl` and `mixture.toml` for `sft --mixture`, `predictions` with every chain, `rejects` and
    `manifest.json`.

    Raises
    ------
    QATrainerError, TableError
        The inputs cannot be used, or no chain is good enough.
    """
    import torch

    from qa_trainer.models.quiet import quiet_libraries

    started = time.perf_counter()
    quiet_libraries()
    reporter = reporter or Silent()
    folder = resolve_model(model_name)
    samples = replace(load_samples(questions, store, as_video=settings.frame_input == "video"), ask_steps=True)
    for line in refuse_benchmark_scenes(samples.rows["scene_name"], allowed=allow_benchmark_scenes):
        reporter.say(line)
    model, processor = load_model(folder, attention=settings.attention, shown=settings)
    samples = within_window(samples, processor, window_of(folder), room=settings.max_new_tokens)
    rows = chosen_rows(samples.rows["question_id"].to_list(), settings.sample, settings.seed)
    limit = settings.frame_cache_mb * 2**20
    shared = place(model, processor, device=settings.device, limit_bytes=limit)
    shows = with_cache(processor, limit_bytes=limit)
    drawn: list[dict[str, Any]] = []
    reporter("draw", 0, len(rows))
    for done, row in enumerate(rows, start=1):
        # Chains depend on their question and the seed, not on the questions before.
        torch.manual_seed(_seed(settings.seed, samples.rows["question_id"][row]))
        together = [row] * settings.chains
        most, heat = settings.max_new_tokens, settings.temperature
        drawn += answer(model, shows, samples, together, max_new_tokens=most, temperature=heat, shared=shared)
        reporter("draw", done, len(rows))
    asked = [row for row in rows for _ in range(settings.chains)]
    rewards = chain_rewards([chain["completion"] for chain in drawn], samples.rows[asked])
    best = best_chains(samples.rows["question_id"][asked], samples.rows["question_type"][asked], rewards)
    model_id, step = identity_of(folder)
    config = settings.model_dump(mode="json", exclude={"device", "frame_cache_mb"})
    config |= {"model": model_hash(folder), "questions": samples.revision}
    metadata = {name: table_metadata(name, PRODUCER, config, settings.seed) for name in ("predictions", "rejects")}
    run_id = metadata["predictions"]["run_id"]
    decoding = f"sampled, temperature {settings.temperature:g}, {settings.max_new_tokens} new tokens"
    table = answered_rows(
        samples,
        asked,
        drawn,
        processor,
        run_id=run_id,
        model_id=model_id,
        step=step,
        round_number=settings.round,
        decoding=decoding,
    )
    write_table(table, out / "predictions.parquet", PREDICTIONS, metadata["predictions"])
    rejects = samples.rejects.with_columns(stage=pl.lit("cold-start"))
    write_table(rejects, out / "rejects.parquet", REJECTS, metadata["rejects"])
    if not best:
        raise QATrainerError(
            f"None of {len(drawn)} chains of {model_name} has the form <think>steps</think><answer>answer</answer> and "
            "a right answer. Draw more (--chains), or let a stronger model write them."
        )
    _write_data(out, samples, [(asked[place_], drawn[place_]["completion"]) for place_ in best])
    seconds = round(time.perf_counter() - started, 3)
    summary = ColdStartSummary(run_id, model_id, len(rows), len(drawn), len(best), len(rejects), seconds)
    facts = {"model": str(folder), "attention": attention_of(model), "settings": settings.model_dump(mode="json")}
    write_json(out / "manifest.json", {"producer": PRODUCER, **facts, **asdict(summary)})
    return summary


def chain_rewards(completions: Sequence[str], rows: pl.DataFrame) -> list[float]:
    """Score chains by their answers, as `mra` and `choice` do; one that has not the form that is asked for gets 0."""
    right = scores(completions, rows["ground_truth"].to_list(), rows["options"].to_list(), [True] * len(rows))
    return [(score or 0.0) * (form or 0.0) for score, form in zip(right, reasoning(completions), strict=True)]


def best_chains(question_id: pl.Series, question_type: pl.Series, rewards: Sequence[float]) -> list[int]:
    """Choose the best chain of every question, and of those the ones that are good for their type.

    Returns
    -------
    list of int
        Places, in order: the first of the best chains of a question, where its reward is above 0 and at least the
        median of its question type's best ones.

    References
    ----------
    arXiv 2505.23747, cold start.

    Examples
    --------
    >>> ids, kinds = pl.Series(["a", "a", "b", "b", "c", "c"]), pl.Series(["count"] * 6)
    >>> best_chains(ids, kinds, [0.2, 0.9, 0.1, 0.1, 0.5, 0.5])
    [1, 4]
    """
    table = pl.DataFrame({"question": question_id, "kind": question_type, "reward": rewards}).with_row_index("place")
    best = table.sort("reward", "place", descending=[True, False]).unique("question", keep="first", maintain_order=True)
    good = (pl.col("reward") > 0) & (pl.col("reward") >= pl.col("reward").median().over("kind"))
    return best.filter(good).sort("place")["place"].to_list()


def _write_data(out: Path, samples: Samples, chains: Sequence[tuple[int, str]]) -> None:
    """Write chains as conversations with the images of their questions, and the mixture that names them."""
    examples = samples.examples([row for row, _ in chains])
    names = samples.rows[[row for row, _ in chains]].select("question_id", "images").iter_rows()
    with atomic_path(out / DATA) as temporary, temporary.open("w", encoding="utf-8") as file:
        for (_, completion), (question_id, images), prompt in zip(chains, names, examples["prompt"], strict=True):
            answered = [{"role": "assistant", "content": completion}]
            row = {"question_id": question_id, "images": images, "prompt": prompt, "completion": answered}
            file.write(json.dumps(row) + "\n")
    lines = ["version = 1", "", "[[source]]", 'name = "chains"', "share = 1.0", f'data = "{DATA}"']
    lines += [f"images = {json.dumps(str(samples.store.resolve()))}", ""]
    with atomic_path(out / MIXTURE) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


def _seed(seed: int, question_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}|{question_id}".encode()).digest()[:4], "little")
