"""A clean pass: one frozen model answers questions, and every answer keeps its log-probabilities."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.features import features_digest, features_in
from qa_contract.files import write_json
from qa_contract.tableio import table_metadata, with_every_column, write_table
from qa_contract.tables import PREDICTIONS as SCHEMA
from qa_contract.tables import REJECTS
from qa_contract.tokens import counts, letter_tokens

from qa_trainer.data.features import GivenFeatures, check_given, with_features
from qa_trainer.data.images import with_cache
from qa_trainer.data.inputs import prompt_inputs
from qa_trainer.data.questions import Samples, load_samples
from qa_trainer.data.videos import Video
from qa_trainer.data.window import within_window
from qa_trainer.models.faster_vision import quicken_vision
from qa_trainer.models.loading import attention_of, end_tokens, load_model, model_hash, resolve_model, window_of
from qa_trainer.models.shared_frames import SharedFrames, can_share
from qa_trainer.runs.predictions import shown_frames, versions
from qa_trainer.runs.reporter import Reporter, Silent
from qa_trainer.settings.score import ScoreSettings

PRODUCER = "qa-trainer score"


@dataclass(frozen=True)
class ScoreSummary:
    """The outcome of a clean pass: identities, rows of `predictions` and `rejects`, truncated answers, seconds."""

    run_id: str
    model_id: str
    predictions: int
    rejects: int
    unfinished: int
    seconds: float


def score_questions(
    questions: Path,
    store: Path,
    model_name: str,
    settings: ScoreSettings,
    out: Path,
    *,
    features: Path | None = None,
    reporter: Reporter | None = None,
) -> ScoreSummary:
    """Answer the questions greedily and write `predictions` (phase score), `rejects` and `manifest.json` to `out`.

    With `features`, a folder of `sample-frames --features`, the geometry encoder is not run.

    Raises
    ------
    QATrainerError, TableError
        The inputs cannot be used.
    """
    from qa_trainer.models.quiet import quiet_libraries

    started = time.perf_counter()
    quiet_libraries()
    folder = resolve_model(model_name)
    samples = load_samples(questions, store, as_video=settings.frame_input == "video")
    model, processor = load_model(folder, attention=settings.attention, shown=settings)
    samples = within_window(samples, processor, window_of(folder), room=settings.max_new_tokens)
    given: GivenFeatures | None = None
    if features is not None:
        samples, given = with_features(samples, features)
        check_given(given, model, folder)
    chosen = chosen_rows(samples.rows["question_id"].to_list(), settings.sample, settings.seed)
    limit = settings.frame_cache_mb * 2**20
    shared = place(model, processor, device=settings.device, limit_bytes=limit)
    shows = with_cache(processor, limit_bytes=limit)
    images, texts = samples.rows["images"].to_list(), samples.rows["question"].to_list()
    # Questions about the same frames one after another: they are read and encoded once.
    order = sorted(chosen, key=lambda row: (len(images[row]), images[row], len(texts[row]), row))
    found: dict[int, dict[str, Any]] = {}
    batches = [order[i : i + settings.batch_size] for i in range(0, len(order), settings.batch_size)]
    reporter = reporter or Silent()
    reporter("answer", 0, len(order))
    for rows in batches:
        answers = answer(
            model, shows, samples, rows, max_new_tokens=settings.max_new_tokens, shared=shared, features=given
        )
        found |= zip(rows, answers, strict=True)
        reporter("answer", len(found), len(order))
    model_id, step = identity_of(folder)
    config = {"model": model_hash(folder), "sample": settings.sample, "max_new_tokens": settings.max_new_tokens}
    config |= settings.model_dump(mode="json", include={"frame_input", "min_pixels", "max_pixels"})
    if features is not None:
        config["features"] = features_digest(features_in(features))
    config |= {"round": settings.round, "questions": _digest(samples.rows["question_id"].to_list())}
    metadata = table_metadata("predictions", PRODUCER, config, settings.seed)
    table = answered_rows(
        samples,
        chosen,
        [found[row] for row in chosen],
        processor,
        run_id=metadata["run_id"],
        model_id=model_id,
        step=step,
        round_number=settings.round,
        decoding=f"greedy, {settings.max_new_tokens} new tokens",
    )
    write_table(table, out / "predictions.parquet", SCHEMA, metadata)
    rejects_metadata = table_metadata("rejects", PRODUCER, config, settings.seed)
    rejects = samples.rejects.with_columns(stage=pl.lit("score"))
    write_table(rejects, out / "rejects.parquet", REJECTS, rejects_metadata)
    unfinished = sum(len(found[row]["token_ids"]) >= settings.max_new_tokens for row in chosen)
    seconds = round(time.perf_counter() - started, 3)
    summary = ScoreSummary(metadata["run_id"], model_id, len(table), len(rejects), unfinished, seconds)
    write_json(
        out / "manifest.json",
        {"producer": PRODUCER, "model": str(folder), "attention": attention_of(model), **vars(summary)},
    )
    return summary


def place(model: Any, processor: Any, *, device: str, limit_bytes: int) -> SharedFrames | None:
    """Make a loaded model ready to answer, on its device; give what shares its frames, where that is possible."""
    import torch
    from transformers import GenerationConfig

    use_cpu = device == "cpu" or not torch.cuda.is_available()
    # One precision for a base saved in bfloat16 and for what was trained from it in float32.
    model.to(device="cpu" if use_cpu else "cuda", dtype=torch.float32 if use_cpu else torch.bfloat16).eval()
    # A penalty or a forbidden repetition of the saved configuration would choose other tokens, and its top-k fewer.
    model.generation_config = GenerationConfig(eos_token_id=sorted(end_tokens(model, processor.tokenizer)))
    if not can_share(model):
        return None
    quicken_vision(model)
    return SharedFrames(model.requires_grad_(False), limit_bytes=limit_bytes)


def answered_rows(
    samples: Samples,
    rows: Sequence[int],
    answers: Sequence[dict[str, Any]],
    processor: Any,
    *,
    run_id: str,
    model_id: str,
    step: int,
    round_number: int | None,
    decoding: str,
) -> pl.DataFrame:
    """Make rows of `predictions` of answers, as `answer` gives them, to the questions in `rows`."""
    schema = {name: SCHEMA[name] for name in _ANSWER}
    table = pl.DataFrame(answers, schema=schema, infer_schema_length=None)
    asked = samples.rows.drop("frame_ids", "images").hstack(shown_frames(samples, processor))
    table = pl.concat([asked[list(rows)], table], how="horizontal").with_columns(
        run_id=pl.lit(run_id),
        model_id=pl.lit(model_id),
        runner=pl.lit("trainer"),
        round=pl.col("round").fill_null(0) if round_number is None else pl.lit(round_number),
        step=pl.lit(step),
        phase=pl.lit("score"),
        decoding=pl.lit(decoding),
        versions=pl.lit(versions("torch", "transformers")),
    )
    return with_every_column(table, SCHEMA)


_ANSWER = (
    *("completion", "token_ids", "token_logprobs", "token_mask", "token_is_top1", "token_entropy"),
    "option_logprobs",
)


def answer(
    model: Any,
    processor: Any,
    samples: Samples,
    rows: Sequence[int],
    *,
    max_new_tokens: int,
    temperature: float | None = None,
    shared: SharedFrames | None = None,
    features: GivenFeatures | None = None,
) -> Iterator[dict[str, Any]]:
    """Answer one batch of questions.

    Parameters
    ----------
    model, processor : PreTrainedModel, ProcessorMixin
    samples : Samples
    rows : sequence of int
        Rows of `samples`.
    max_new_tokens : int
    temperature : float, optional
        Draw from the whole distribution at this temperature; by default the likeliest token is taken.
    shared : SharedFrames, optional
        Is told which images the batch shows.
    features : GivenFeatures, optional
        What the geometry encoder has made of them.

    Yields
    ------
    dict
        Completion, token columns and `option_logprobs` of the table `predictions`, per row. The latter are the
        log-probabilities, over the whole vocabulary, of each option's letter as the first token.
    """
    import torch

    examples = samples.examples(list(rows))
    tokenizer = processor.tokenizer
    if shared is not None:
        shared.expect([source for sources in examples["images"] for source in sources if not isinstance(source, Video)])
    inputs = prompt_inputs(processor, examples["prompt"], examples["images"]).to(model.device)
    if features is not None and (tokens := features.tokens(examples["images"])):
        inputs["geometry_tokens"] = tokens
    # Without a limit of its own, transformers draws among the 50 likeliest tokens.
    drawing = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            **drawing,
            num_beams=1,
            pad_token_id=tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_logits=True,
        )
        tokens = output.sequences[:, inputs["input_ids"].shape[1] :]
        logprobs = torch.stack(output.logits, dim=1).float().log_softmax(-1)
        chosen = logprobs.gather(-1, tokens[..., None])[..., 0]
        is_top1 = logprobs.argmax(-1) == tokens
        entropy = -(logprobs.exp() * logprobs.clamp_min(-1e9)).sum(-1)
    ends = end_tokens(model, tokenizer)
    letters = [letter_tokens(options, tokenizer) for options in samples.rows["options"][list(rows)].to_list()]
    columns = (column.cpu().numpy() for column in (tokens, chosen, is_top1, entropy))
    for number, (ids, own, top1, spread) in enumerate(zip(*columns, strict=True)):
        at_end = np.flatnonzero(np.isin(ids, list(ends)))
        stop = int(at_end[0]) + 1 if len(at_end) else len(ids)
        yield {
            "completion": tokenizer.decode(ids[:stop], skip_special_tokens=True, clean_up_tokenization_spaces=False),
            "token_ids": ids[:stop].tolist(),
            "token_logprobs": own[:stop].tolist(),
            "token_mask": counts(ids[:stop], tokenizer, ends).tolist(),
            "token_is_top1": top1[:stop].tolist(),
            "token_entropy": spread[:stop].tolist(),
            "option_logprobs": None if letters[number] is None else logprobs[number, 0, letters[number]].tolist(),
        }


def chosen_rows(question_ids: Sequence[str], sample: int | None, seed: int) -> list[int]:
    """Draw the rows to answer, in the order of the file; the draw depends on seed and id only."""
    rows = range(len(question_ids))
    if sample is None or sample >= len(question_ids):
        return list(rows)
    drawn = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}|{question_ids[row]}".encode()).digest())
    return sorted(drawn[:sample])


def identity_of(folder: Path) -> tuple[str, int]:
    """Name the model as its training run does, with its last step; else by its content."""
    try:
        state = json.loads((folder.parent / "state" / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return model_hash(folder), 0
    return state["run_id"], state["global_step"]


def _digest(question_ids: list[str]) -> str:
    return hashlib.sha256("\n".join(question_ids).encode()).hexdigest()[:16]
