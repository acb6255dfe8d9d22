"""The pages of a store: one per scene with plan, frames and questions, and one that leads to them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qa_contract.files import output_folder
from qa_contract.pages import (
    Card,
    Cards,
    Cell,
    Column,
    Columns,
    Facts,
    Figure,
    Image,
    Items,
    Link,
    Links,
    Note,
    Page,
    Part,
    Room,
    Row,
    Section,
    Strip,
    Table,
    href,
)
from qa_contract.pages.text import plural
from qa_contract.remote import fetched

from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.structure import is_structure
from qa_engine.show.overlays import frame_overlay
from qa_engine.show.plans import MAX_NAMED, category_tones, plan_cameras, plan_objects
from qa_engine.show.selection import Shown, ViewReport, answer_text

INDEX = "index.html"
SCENES, FRAMES = "scenes", "frames"
"""Folders: pages of scenes apart from the index, which a scene may be named like, and images."""
THUMBNAIL_PX = 260.0
BESIDE = """
#questions .card { contain-intrinsic-size: auto 11rem; }
@media (min-width: 70rem) {
  #questions { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.1fr); gap: 0 2rem; align-items: start; }
  #questions > h2, #questions > .note { grid-column: 1 / -1; }
  #questions > figure { position: sticky; top: 1rem; }
  #questions > .cards-box > .filters { margin-top: 0; }
}
"""
"""The plan stays in sight beside the questions, whose operands light up in it."""


def write_gallery(shown: Shown, out: Path, *, max_questions: int = 1000, force: bool = False) -> ViewReport:
    """Write `index.html`, a page per scene in `scenes/`, and the images in `frames/`.

    Parameters
    ----------
    shown : Shown
        Scenes, frames and questions.
    out : Path
        Folder; images are copied into it.
    max_questions : int
        Per scene.
    force : bool
        Replace an existing folder.

    Raises
    ------
    FileError
        `out` exists and `force` is false, or an image lies outside the store.
    """
    started = time.perf_counter()
    n_frames = n_questions = 0
    tiles: list[Link] = []
    with output_folder(out, force=force) as folder:
        (folder / SCENES).mkdir()
        for name in shown.names:
            scene, frames, rows = shown.store.load_scene(name), shown.frames(name), shown.questions(name)
            page = _ScenePage(shown, scene, frames, folder).page(rows[:max_questions], len(rows))
            file = Path(SCENES, f"{name}.html")
            (folder / file).write_text(page.html(), encoding="utf-8")
            tiles.append(_tile(scene, frames, len(rows), href(file)))
            n_frames += len(frames)
            n_questions += len(rows)
        (folder / INDEX).write_text(_index(shown, tiles).html(), encoding="utf-8")
    return ViewReport(len(shown.names), n_frames, n_questions, time.perf_counter() - started)


def _index(shown: Shown, tiles: Sequence[Link]) -> Page:
    """Build the page that leads to the scenes."""
    n_all = len(shown.store.scene_names())
    title = plural(n_all, "scene") if len(tiles) == n_all else f"{len(tiles):,} of {plural(n_all, 'scene')}"
    return Page(shown.store.path.resolve().name, [Section(title, [Links(tiles)], "scenes")])


def _tile(scene: Scene, frames: Sequence[Frame], n_questions: int, link: str) -> Link:
    """Make the link to a scene, with a small plan."""
    room = Room(plan_objects(scene, category_tones(scene)), scene.floor_polygon)
    drawing = room.above(title="", width=THUMBNAIL_PX, labels="none")
    drawing.css = ""  # nothing in a link is pointed at
    facts = (plural(len(scene), "object"), plural(len(frames), "frame"), plural(n_questions, "question"))
    return Link(scene.scene_name, link, ", ".join(facts), drawing.svg())


class _ScenePage:
    """The page of one scene; its images are copied when they are shown."""

    def __init__(self, shown: Shown, scene: Scene, frames: Sequence[Frame], folder: Path) -> None:
        self._shown, self._scene, self._frames, self._folder = shown, scene, frames, folder
        self._tones = category_tones(scene)
        self._objects = plan_objects(scene, self._tones)
        self._cameras = plan_cameras(frames)

    def page(self, rows: Sequence[Mapping[str, Any]], n_rows: int) -> Page:
        """Build the page with the first `rows` of all questions."""
        scene = self._scene
        facts = [("dataset", scene.dataset), ("split", scene.split), ("objects", f"{len(scene):,}")]
        if scene.room_size_m2 is not None:
            facts.append(("room", f"{scene.room_size_m2:.1f} m²"))
        facts += [("frames", f"{len(self._frames):,}"), ("questions", f"{n_rows:,}")]
        sections = [Section("Plan", self._plan(), "plan")]
        if self._frames:
            sections.append(Section("Frames", self._strip(), "frames"))
        if rows:
            sections.append(Section("Questions", self._questions(rows, n_rows), "questions"))
        trail = [Link(self._shown.store.path.resolve().name, href(Path("..", INDEX)))]
        return Page(scene.scene_name, sections, facts=facts, trail=trail, styles=[BESIDE])

    def _plan(self) -> list[Part | str]:
        """Draw the room, and list its categories."""
        if not self._objects and not self._cameras and self._scene.floor_polygon is None:
            return ["Nothing to draw: the scene has no objects, no outline and no cameras."]
        cloud = self._shown.cloud(self._scene.scene_name)
        points = None if cloud is None or not len(cloud) else cloud.xyz
        room = Room(self._objects, self._scene.floor_polygon, self._cameras, cloud=points)
        plan = room.above(title=f"Plan of {self._scene.scene_name}")
        unnamed = sum(one.label == "" for one in self._objects)
        note = f" The {MAX_NAMED} largest ones are named, the pointer names all." if unnamed else ""
        parts: list[Part | str] = [Figure(plan.svg(), note=plan.desc + note)]
        if self._scene.category_counts:
            parts.append(self._categories())
        return [Columns(parts, "wide")]

    def _categories(self) -> Table:
        """List the categories, the most frequent first; a row lights its objects up."""
        ids: dict[str, list[int]] = {}
        for one in self._objects:
            ids.setdefault(one.category, []).append(one.instance_id)
        things = [item for item in self._scene.category_counts.items() if not is_structure([item[0]])[0]]
        counts = sorted(things, key=lambda item: (-item[1], item[0]))
        columns = ["category", Column("objects", help="As the source publishes them."), Column("boxes")]
        rows = []
        for name, n in counts:
            numbers = ids.get(name, [])
            rows.append(Row([Cell(name, tone=self._tones.get(name, "")), n, len(numbers)], numbers))
        return Table(columns, rows)

    def _strip(self) -> list[Part | str]:
        """Copy the images of frames, and draw boxes over them."""
        name, seen, images = self._scene.scene_name, self._shown.seen, []
        for number, frame in enumerate(self._frames, 1):
            if frame.image_path is None:
                continue
            file = Path(FRAMES, name, frame.image_path.name)
            (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetched(frame.image_path), self._folder / file)
            inside = None if seen is None else seen.get((name, frame.frame_id), {})
            drawing = frame_overlay(self._scene, frame, self._tones, inside)
            time_s = "" if frame.time_s is None else f", {frame.time_s:.1f} s"
            pose = ", no pose" if frame.world_from_camera is None else ""
            caption = f"{number}. {frame.frame_id}{time_s}{pose}"
            link = href(Path("..", file))
            images.append(Image(link, f"frame {frame.frame_id}", caption, frame.width, frame.height, drawing))
        parts: list[Part | str] = [Strip(images, "large")]
        if seen is None and self._cameras and self._objects:
            parts.append(Note("Boxes whose centre is in the image, hidden ones too: nobody has run qa-engine observe."))
        return parts

    def _questions(self, rows: Sequence[Mapping[str, Any]], n_rows: int) -> list[Part | str]:
        """List the questions beside a plan in which their operands light up."""
        parts: list[Part | str] = []
        if n_rows > len(rows):
            parts.append(Note(f"The first {len(rows):,} of {n_rows:,} questions."))
        room = Room(self._objects, self._scene.floor_polygon, self._cameras)
        parts.append(Figure(room.above(title="Plan beside the questions").svg()))
        parts.append(Cards([_card(row) for row in rows], ["type"], search=True, wide=True))
        return parts


def _card(row: Mapping[str, Any]) -> Card:
    """Build the card of one question."""
    ids = sorted({number for operand in row["operands"] or () for number in operand["instance_ids"] or ()})
    answer, kind = answer_text(row), str(row["question_type"])
    parts: list[Part | str] = [str(row["question"])]
    if row["options"]:
        parts.append(Items([(option, "good") if option == answer else option for option in row["options"]]))
    facts = [("answer", answer), *([] if row["program"] is None else [("program", row["program"])])]
    return Card(kind, [*parts, Facts(facts)], tags={"type": kind}, ids=ids)
