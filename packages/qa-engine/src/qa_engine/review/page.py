"""The page of a review: one thing at a time, with frames, plan, reasons and keys."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
from qa_contract.pages import (
    Columns,
    Facts,
    Figure,
    Fragment,
    Image,
    Items,
    Note,
    Page,
    Part,
    Room,
    Section,
    Strip,
    href,
)
from qa_contract.remote import fetched

from qa_engine.facts.scene import Facts as SceneFacts
from qa_engine.review.doubts import Item
from qa_engine.scenes.reviews import yaw_deg
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import Store
from qa_engine.show.explanation import explanation_of
from qa_engine.show.overlays import frame_overlay
from qa_engine.show.plans import category_tones, plan_objects
from qa_engine.show.selection import Shown
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.sightings import SightingIndex

FRAMES = 3
"""Frames beside a plan: those that show most."""
PLAN_PX = 460.0
KEYS = "Keys: a accept, r reject, f correct (Enter stores), u take back, j and k next and previous, n next undecided."

CARD = """
<form class="review" data-verdict="" hidden>
<h3 tabindex="-1">{{ kind }}: {{ title }} <small>{{ scene }}, {{ item }}</small> <span class="verdict"></span></h3>
{% for part in parts %}{{ part | part }}{% endfor %}
{% if fields %}
<fieldset><legend>Correct</legend>
<label>label <input name="category" value="{{ fields.category }}" autocomplete="off"></label>
{% for name, values in fields.lengths %}
<span class="three">{{ name }}, m
{% for axis, value in values %}
<label><span>{{ axis }}</span><input name="{{ name }}_{{ axis }}" type="number" step="any" value="{{ value }}"></label>
{% endfor %}</span>
{% endfor %}
<label>turn, degrees <input name="yaw_deg" type="number" step="any" value="{{ fields.yaw }}"></label>
<button>Store the correction</button>
</fieldset>
{% endif %}
<p class="decide"><label>note <input name="note" autocomplete="off"></label>
<button type="button" data-do="a">Accept</button> <button type="button" data-do="r">Reject</button>
<button type="button" data-do="u">Take back</button>
<button type="button" data-do="k">Previous</button> <button type="button" data-do="j">Next</button></p>
</form>
"""
STYLE = """
#review-bar { font-weight: 600; }
#review-told:not(:empty) { border-left: 3px solid currentColor; padding-left: .6rem; }
.review h3 { margin-top: .5rem; }
.review fieldset { border: 1px solid var(--line, currentColor); display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; }
.review .three { display: inline-flex; flex-wrap: wrap; gap: .3rem; align-items: baseline; }
.review input { max-width: 100%; }
.review input[type=number] { width: 6rem; }
.review .decide { position: sticky; bottom: 0; background: var(--paper, Canvas); padding: .5rem 0; max-width: none; }
.review .decide, .review .decide label { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
.review .verdict:not(:empty) { font-size: .8em; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .5rem; }
"""


def review_page(store: Store, items: Sequence[Item], folder: Path) -> Page:
    """Lay the items out, and copy the frames that they show into `folder`."""
    writer = _Writer(store, folder, {item.scene_name for item in items})
    cards = [writer.card(item) for item in items]
    status: list[Part | str] = [
        Note(KEYS),
        Fragment('<p><output id="review-bar"></output></p><p role="alert" id="review-told"></p>'),
    ]
    if not items:
        status.append("Nothing is doubtful; --all shows everything.")
    data = [{"scene_name": item.scene_name, "kind": item.kind, "item": item.item} for item in items]
    return Page(
        "Review",
        [Section("To decide", [*status, *cards], "decide")],
        subtitle="The most doubtful first; decisions are stored at once",
        facts=[("store", store.path.resolve().name), ("items", f"{len(items):,}")],
        data={"review-items": data},
        styles=[STYLE],
        scripts=[(resources.files("qa_engine.review") / "review.js").read_text(encoding="utf-8")],
        connects=True,
    )


class _Writer:
    """Makes the cards; scenes and indices are read once."""

    def __init__(self, store: Store, folder: Path, names: set[str]) -> None:
        self._store, self._folder = store, folder
        self._shown = Shown(store, scenes=sorted(names)) if names else None
        self._sightings, self._evidence = SightingIndex(store), FrameEvidence(store)
        self._scenes: dict[str, tuple[Scene, dict[str, Frame]]] = {}

    def card(self, item: Item) -> Fragment:
        """Make the form of one item."""
        scene, frames = self._scene(item.scene_name)
        parts: list[Part | str] = []
        if item.doubts:
            parts.append(Items([words for _, words in sorted(item.doubts, reverse=True)]))
        fields: dict[str, object] | None = None
        if item.kind == "object":
            number = int(item.item)
            row = int(np.flatnonzero(scene.instance_id == number)[0])
            parts.append(self._object(scene, frames, row))
            fields = _fields(scene, row)
        else:
            parts += self._question(item, scene, frames)
        values = {"kind": item.kind, "title": item.title, "scene": item.scene_name, "item": item.item}
        return Fragment(CARD, values | {"parts": parts, "fields": fields})

    def _scene(self, name: str) -> tuple[Scene, dict[str, Frame]]:
        if name not in self._scenes:
            scene = self._store.load_scene(name)
            self._scenes[name] = scene, {frame.frame_id: frame for frame in self._store.frames(name)}
        return self._scenes[name]

    def _object(self, scene: Scene, frames: dict[str, Frame], row: int) -> Part:
        """Show an object in the plan and in the frames that show most of it."""
        number, name = int(scene.instance_id[row]), str(scene.category[row])
        objects = [
            replace(one, tone="s0", label=name) if one.instance_id == number else one for one in plan_objects(scene)
        ]
        room = Room(objects, scene.floor_polygon)
        views: list[Part | str] = [Figure(room.above(title=f"{name} from above", width=PLAN_PX).svg())]
        strip = self._strip(scene, self._best(scene, frames, number), {number})
        return Columns([*views, *([strip] if strip else [])], "wide")

    def _question(self, item: Item, scene: Scene, frames: dict[str, Frame]) -> list[Part | str]:
        """Show a question with its explanation and the frames that it rests on."""
        facts = SceneFacts(scene, item.row["profile"] or "exact", self._sightings.of, self._evidence.of)
        told = explanation_of(item.row, facts)
        parts: list[Part | str] = [told.question]
        if told.options:
            marked = zip(told.options, told.is_answer, strict=True)
            parts.append(Items([(text, "good") if right else text for text, right in marked]))
        parts.append(Facts([("answer", told.answer), *told.facts, ("program", told.program)]))
        ids = {number for operand in item.row["operands"] or () for number in operand["instance_ids"] or ()}
        chosen = [frames[name] for name in (item.row["evidence_frames"] or ())[:FRAMES] if name in frames]
        strip = self._strip(scene, chosen, ids)
        drawn: list[Part | str] = [Figure(told.above(PLAN_PX).svg())]
        return [*parts, Columns([*drawn, *([strip] if strip else [])], "wide")]

    def _best(self, scene: Scene, frames: dict[str, Frame], number: int) -> list[Frame]:
        """Choose the frames with the largest outline of an object."""
        seen = None if self._shown is None else self._shown.seen
        if not seen:
            return []
        area = {
            frame_id: (box[2] - box[0]) * (box[3] - box[1])
            for frame_id in frames
            if (box := seen.get((scene.scene_name, frame_id), {}).get(number)) is not None
        }
        return [frames[name] for name in sorted(area, key=lambda name: -area[name])[:FRAMES]]

    def _strip(self, scene: Scene, frames: Sequence[Frame], ids: set[int]) -> Strip | None:
        """Copy frames, and draw the boxes of some objects over them."""
        images: list[Image] = []
        tones = category_tones(scene)
        for frame in frames:
            if frame.image_path is None:
                continue
            file = Path("frames", scene.scene_name, frame.image_path.name)
            (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetched(frame.image_path), self._folder / file)
            drawing = frame_overlay(scene, frame, tones, ids)
            images.append(
                Image(href(file), f"frame {frame.frame_id}", frame.frame_id, frame.width, frame.height, drawing)
            )
        return Strip(images) if images else None


def _fields(scene: Scene, row: int) -> dict[str, object]:
    """Fill the form with what the box is now."""
    lengths = [
        (name, [(axis, f"{value:.3f}") for axis, value in zip("xyz", values[row], strict=True)])
        for name, values in (("center", scene.center), ("size", scene.size))
    ]
    return {"category": str(scene.category[row]), "lengths": lengths, "yaw": f"{yaw_deg(scene.rotation[row]):.1f}"}
