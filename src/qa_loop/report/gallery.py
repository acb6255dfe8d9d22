"""Cards: a question with its frames, its plan, its program, and what the model said."""

from __future__ import annotations

import base64
import io
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from qa_loop.report.data import RunData, StoreData, load_store
from qa_loop.report.plan import ROLE_STYLES, Box, top_down

WINS_PER_TYPE = LOSSES_PER_TYPE = 2
PER_LABEL = 2
MAX_FRAMES = 3
WIN = 0.5
"""A score from here on counts as a win in the gallery."""
LARGE_IMAGE_BYTES, SHRUNK_SIDE = 120_000, 480


@dataclass(frozen=True)
class Card:
    """What is shown of one question.

    Attributes
    ----------
    question : dict
        A row of the questions table.
    mark, style : str
        Head line and CSS class: a win, a loss, or a label.
    answers : list of (str, str)
        Who, and what was answered.
    facts : list of (str, str)
        Further named values.
    """

    question: Mapping[str, Any]
    mark: str
    style: str
    answers: list[tuple[str, str]] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


def evaluated_cards(run: RunData) -> list[Card]:
    """Pick wins and losses of the latest model, per question type.

    Wins that the untrained model did not have come first, then losses by how sure the model was.
    """
    if run.comparison is None:
        return []
    last, blind = run.comparison.last_round, run.comparison.blind_round

    def said(kind: str, number: int, name: str) -> pl.DataFrame:
        rows = run.answers.filter((pl.col("kind") == kind) & (pl.col("round") == number))
        return rows.select("question_id", pl.col("completion").alias(name), pl.col("score").alias(f"{name}_score"))

    sure = run.own_confidence.filter(pl.col("round") == last).select("question_id", "raw_confidence", "label")
    rows = (
        run.eval_questions.join(said("eval", last, "model"), on="question_id", how="inner")
        .join(said("eval", 0, "first"), on="question_id", how="left")
        .join(said("blind", blind, "blind"), on="question_id", how="left")
        .join(said("majority", 0, "majority"), on="question_id", how="left")
        .join(sure, on="question_id", how="left")
        .filter(pl.col("model_score").is_not_null())
    )
    won = pl.col("model_score") >= WIN
    gained = pl.col("first_score").fill_null(0) - pl.col("model_score")
    wins = rows.filter(won).sort(gained, "question_id").group_by("question_type", maintain_order=True)
    losses = rows.filter(~won).sort(-pl.col("raw_confidence").fill_null(0), "question_id")
    losses = losses.group_by("question_type", maintain_order=True)
    picked = pl.concat([wins.head(WINS_PER_TYPE), losses.head(LOSSES_PER_TYPE)]).sort(
        "question_type", -pl.col("model_score"), "question_id"
    )
    columns = [(f"model, round {last}", "model"), (f"blind, round {blind}", "blind"), ("majority", "majority")]
    if last:
        columns.insert(1, ("model, round 0", "first"))
    return [_evaluated(row, columns) for row in picked.iter_rows(named=True)]


def training_cards(run: RunData) -> list[Card]:
    """Pick questions of the latest round that were easy, frontier and hard."""
    if run.confidence.is_empty():
        return []
    last = run.confidence["round"].max()
    labelled = run.confidence.filter(pl.col("round") == last).select("question_id", "gold_confidence", "label")
    counted = pl.col("token_mask").fill_null(False)
    hit = (
        run.training.filter(pl.col("round") == last)
        .select("question_id", "token_mask", "token_is_top1")
        .explode("token_mask", "token_is_top1")
        .filter(counted)
        .group_by("question_id")
        .agg(pl.col("token_is_top1").all().alias("top1"))
    )
    rows = (
        run.questions.filter(pl.col("round") == last)
        .join(labelled, on="question_id")
        .join(hit, on="question_id", how="left")
    )
    picked = rows.sort("label", "question_id").group_by("label", maintain_order=True).head(PER_LABEL)
    return [_trained(row) for row in picked.iter_rows(named=True)]


def render_cards(cards: Sequence[Card], folder: Path) -> str:
    """Write cards as HTML; frames and plans come from the run's store."""
    if not cards:
        return ""
    store = load_store(folder, sorted({card.question["scene_name"] for card in cards}))
    return f'<div class="cards">{"".join(_card(card, store) for card in cards)}</div>'


def _evaluated(row: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> Card:
    won = row["model_score"] >= WIN
    answers = [
        (who, f"{_quoted(row[name])} ({_percent(row[f'{name}_score'])})")
        for who, name in columns
        if row[name] is not None
    ]
    facts = [("score", _percent(row["model_score"])), ("confidence in its own answer", _number(row["raw_confidence"]))]
    return Card(
        row, "win" if won else "loss", "won" if won else "lost", answers, [*facts, ("label", row["label"] or "-")]
    )


def _trained(row: Mapping[str, Any]) -> Card:
    top1 = {True: "yes", False: "no", None: "-"}[row["top1"]]
    facts = [("confidence in the ground truth", _number(row["gold_confidence"])), ("label", row["label"] or "-")]
    return Card(
        row, row["label"] or "-", row["label"] or "", [], [*facts, ("ground truth is the likeliest answer", top1)]
    )


def _card(card: Card, store: StoreData) -> str:
    question = card.question
    scene = question["scene_name"]
    operands = question["operands"] or []
    options = "".join(f"<li>{escape(option)}</li>" for option in question["options"] or [])
    rows = [("ground truth", question["ground_truth"]), *card.answers, *card.facts]
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    frames = _frames(question, store)
    images = "".join(_image(store.folder, path, f"frame of {scene}") for path, _ in frames)
    cameras = [np.asarray(pose, dtype=np.float64).reshape(4, 4) for _, pose in frames if pose is not None]
    legend = "".join(
        f'<li><span class="swatch {ROLE_STYLES[i % len(ROLE_STYLES)]}"></span>'
        f"{escape(operand['role'] or '')} {escape(operand['category'] or '')}</li>"
        for i, operand in enumerate(operands)
    )
    return (
        f'<article class="card"><header><span class="mark {escape(card.style, quote=True)}">{escape(card.mark)}</span> '
        f"{escape(question['question_type'])} <small>{escape(scene)}</small></header>"
        f'<p class="question">{escape(question["question"])}</p>{f"<ul>{options}</ul>" if options else ""}'
        f'<div class="frames">{images}</div>'
        f'<div class="seen">{_plan(question, store, cameras)}<ul class="legend">{legend}</ul></div>'
        f'<div class="scroll"><table class="answers">{table}</table></div>'
        f"<details><summary>program</summary><pre>{escape(question['program'] or '-')}</pre></details></article>"
    )


def _frames(question: Mapping[str, Any], store: StoreData) -> list[tuple[str, list[float] | None]]:
    """Give image path and pose of up to MAX_FRAMES frames that the model saw, evenly spread."""
    sets = store.frame_sets.filter(
        (pl.col("scene_name") == question["scene_name"]) & (pl.col("frame_set_id") == question["frame_set_id"])
    )
    if sets.is_empty():
        return []
    ids = sets["frame_ids"][0].to_list()
    if len(ids) > MAX_FRAMES:
        ids = [ids[i] for i in np.linspace(0, len(ids) - 1, MAX_FRAMES).round().astype(int)]
    frames = store.frames.filter(pl.col("scene_name") == question["scene_name"])
    found = {row["frame_id"]: row for row in frames.iter_rows(named=True)}
    return [(found[i]["image_path"], found[i]["world_from_camera"]) for i in ids if i in found]


def _plan(question: Mapping[str, Any], store: StoreData, cameras: list[np.ndarray]) -> str:
    scene = question["scene_name"]
    objects = store.objects.filter(pl.col("scene_name") == scene)
    geometric = objects.drop_nulls(["center", "size", "rotation"])
    boxes = [
        Box(row["instance_id"], row["category"], row["center"], row["size"], row["rotation"])
        for row in geometric.iter_rows(named=True)
    ]
    roles = {
        instance: i
        for i, operand in enumerate(question["operands"] or [])
        for instance in operand["instance_ids"] or []
    }
    floors = store.scenes.filter(pl.col("scene_name") == scene)["floor_polygon"]
    outline = floors[0].to_list() if len(floors) and floors[0] is not None else []
    floor = np.array(outline, dtype=np.float64) if outline else None
    return top_down(boxes, roles=roles, floor=floor, cameras=cameras, name=f"plan of {scene} from above")


def _image(store: Path, relative: str | None, name: str) -> str:
    """Embed an image of the store; what is not an image inside the store is left out."""
    path = (store / (relative or "")).resolve()
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith("image/") or store.resolve() not in path.parents or not path.is_file():
        return '<span class="gone">no image</span>'
    data = path.read_bytes()
    if len(data) > LARGE_IMAGE_BYTES:
        data, kind = _shrunk(data), "image/jpeg"
    text = base64.b64encode(data).decode("ascii")
    return f'<img src="data:{kind};base64,{text}" alt="{escape(name, quote=True)}" loading="lazy">'


def _shrunk(data: bytes) -> bytes:
    """Make a large photograph small enough for a page that holds many."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((SHRUNK_SIDE, SHRUNK_SIDE))
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=82)
    return out.getvalue()


def _quoted(text: str | None) -> str:
    return "-" if text is None else f"“{text.strip()}”"


def _percent(value: float | None) -> str:
    return "unscored" if value is None else f"{100 * value:.0f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
