"""Cards of single questions: frames, the scene from above, answers, program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qa_contract.pages import (
    LABEL_TONES,
    Card,
    Cards,
    Columns,
    Details,
    Facts,
    Figure,
    Image,
    Items,
    Key,
    PlanCamera,
    PlanObject,
    Pre,
    Room,
    Strip,
    data_url,
    series_tone,
    with_operands,
)
from qa_contract.pages.parts import Part
from qa_contract.pages.text import DASH, number, percent
from qa_contract.remote import fetched

from qa_loop.report.tables import WIN, RunTables

MAX_FRAMES = 3
PLAN_PX = 280.0


def evaluated_cards(
    rows: Sequence[Mapping[str, Any]], tables: RunTables, store: Path, *, last: int, blind: int
) -> Cards:
    """Show what the model after round `last` answered, and what the others did."""
    who = {f"model, round {last}": "model", f"blind, round {blind}": "blind", "majority": "majority"}
    if last:
        who["model, round 0"] = "first"
    scenes = Scenes(tables, store, rows)
    cards = []
    for row in rows:
        said = [
            (name, f"“{row[key].strip()}” ({percent(row[f'{key}_score'], 0)})")
            for name, key in who.items()
            if row[key] is not None
        ]
        facts = [
            ("truth", row["ground_truth"]),
            *said,
            ("confidence in its own answer", number(row["raw_confidence"])),
            ("label", row["label"] or DASH),
        ]
        won = row["model_score"] >= WIN
        tags = {"type": row["question_type"], "outcome": "win" if won else "loss"}
        cards.append(_card(row, scenes, facts, "win" if won else "loss", "good" if won else "bad", tags))
    return Cards(cards, filters=("type", "outcome"), search=True)


def training_cards(rows: Sequence[Mapping[str, Any]], tables: RunTables, store: Path) -> Cards:
    """Show how well the model knew questions that it was trained on."""
    scenes = Scenes(tables, store, rows)
    cards = []
    for row in rows:
        facts = [
            ("truth", row["ground_truth"]),
            ("confidence in the truth", number(row["gold_confidence"])),
            ("truth is the likeliest answer", {True: "yes", False: "no", None: DASH}[row["top1"]]),
        ]
        label = row["label"] or DASH
        tags = {"type": row["question_type"], "label": label}
        cards.append(_card(row, scenes, facts, label, LABEL_TONES.get(label, "soft"), tags))
    return Cards(cards, filters=("label", "type"))


class Scenes:
    """Frames and objects of the scenes that questions are about.

    Parameters
    ----------
    tables : RunTables
    store : Path
        Folder of the store, for the images.
    rows : sequence of mapping
        The questions.
    """

    def __init__(self, tables: RunTables, store: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        names = sorted({row["scene_name"] for row in rows})
        self._of = {table: tables.of_scenes(table, names) for table in ("scenes", "objects", "frames", "frame_sets")}
        self._store = store.resolve()

    def frames(self, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Give up to MAX_FRAMES rows of the frames that the model saw, evenly spread."""
        scene, chosen = question["scene_name"], question["frame_set_id"]
        sets = [row for row in self._of["frame_sets"].get(scene, []) if row["frame_set_id"] == chosen]
        ids = sets[0]["frame_ids"] if sets else []
        if len(ids) > MAX_FRAMES:
            ids = [ids[i] for i in np.linspace(0, len(ids) - 1, MAX_FRAMES).round().astype(int)]
        found = {row["frame_id"]: row for row in self._of["frames"].get(scene, [])}
        return [found[name] for name in ids if name in found]

    def image(self, frame: Mapping[str, Any]) -> Image:
        """Embed a frame; what is not an image inside the store is left out."""
        path = fetched((self._store / (frame["image_path"] or "")).resolve())
        inside = self._store in path.parents
        alt = f"frame {frame['frame_id']} of {frame['scene_name']}"
        return Image(data_url(path) if inside else None, alt, width=frame["width"], height=frame["height"])

    def room(self, question: Mapping[str, Any], tones: Sequence[str]) -> Room:
        """Give the scene with the objects in question coloured."""
        name = question["scene_name"]
        objects = [
            PlanObject(row["instance_id"], row["category"], row["center"], row["size"], row["rotation"])
            for row in self._of["objects"].get(name, [])
            if None not in (row["center"], row["size"], row["rotation"])
        ]
        ids = [operand["instance_ids"] or [] for operand in question["operands"] or []]
        floor = next((row["floor_polygon"] for row in self._of["scenes"].get(name, [])), None)
        cameras = [
            PlanCamera(frame["world_from_camera"])
            for frame in self.frames(question)
            if frame["world_from_camera"] is not None
        ]
        return Room(with_operands(objects, tones, ids), floor=floor or None, cameras=cameras)


def _card(
    question: Mapping[str, Any],
    scenes: Scenes,
    facts: Sequence[tuple[str, str]],
    mark: str,
    tone: str,
    tags: Mapping[str, str],
) -> Card:
    operands = question["operands"] or []
    tones = [series_tone(i) for i in range(len(operands))]
    name = question["scene_name"]
    drawing = scenes.room(question, tones).above(title=f"plan of {name} from above", width=PLAN_PX, labels="asked")
    texts = [f"{operand['role'] or ''} {operand['category'] or ''}".strip() for operand in operands]
    seen: list[Part | str] = [Figure(drawing.svg()), *([Key(list(zip(texts, tones, strict=True)))] if texts else [])]
    frames = [scenes.image(frame) for frame in scenes.frames(question)]
    parts: list[Part | str] = [question["question"]]
    parts += [Items(question["options"])] if question["options"] else []
    parts += [Strip(frames, size="small")] if frames else []
    parts += [Columns(seen, width="narrow"), Facts(facts)]
    parts.append(Details("program", [Pre(question["program"] or DASH)]))
    return Card(question["question_type"], parts, mark, tone, note=name, tags=tags)
