"""What a model is told: frames, facts of the scene, operators, exemplars of the last round, and the request."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from qa_contract.remote import fetched

from qa_engine.facts.scene import Facts
from qa_engine.programs import LANGUAGE, OPERATORS
from qa_engine.scenes.scene import Frame
from qa_engine.scenes.structure import is_structure
from qa_engine.tasks import DEFAULT

MOST_OBJECTS = 150
"""Objects of a scene that a prompt lists."""

PROPOSE, REPAIR, RECHECK = "propose-1", "repair-1", "recheck-1"
"""Templates: files in `prompts/`. A changed text gets a new number."""


@cache
def template(name: str) -> str:
    """Read a template."""
    return files("qa_engine.generation.llm").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


def template_id(name: str) -> str:
    """Name a template with a hash of its text, as it is recorded.

    Examples
    --------
    >>> template_id("propose-1").split(":")[0]
    'propose-1'
    """
    return f"{name}:{hashlib.sha256(template(name).encode()).hexdigest()[:8]}"


def fill_template(name: str, values: Mapping[str, object]) -> str:
    """Put values into the places of a template, in one pass: what a value holds is never a place."""
    parts = template(name).split("{{")
    filled = [parts[0]]
    for part in parts[1:]:
        key, _, rest = part.partition("}}")
        filled.append(f"{values[key]}{rest}")
    return "".join(filled)


def scene_facts(facts: Facts) -> str:
    """Write the facts of a scene as a compact table.

    Examples
    --------
    >>> import numpy as np
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"]), size=np.ones((1, 3)),
    ...               center=np.zeros((1, 3)), rotation=np.eye(3)[None], room_size_m2=12.5)
    >>> print(scene_facts(Facts(scene)))
    room_area_m2 12.5
    counts: chair 1
    id category x y z size
    0 chair 0.00 0.00 0.00 1.00 1.00 1.00
    """
    scene = facts.scene
    lines = [] if scene.room_size_m2 is None else [f"room_area_m2 {scene.room_size_m2:.1f}"]
    counts = [(name, n) for name, n in sorted(scene.category_counts.items()) if not is_structure([name])[0]]
    lines.append("counts: " + ", ".join(f"{name} {n}" for name, n in counts))
    lines.append("id category x y z size")
    for key, name, center, size in things(facts):
        lines.append(f"{key} {name} " + " ".join(f"{x:.2f}" for x in (*center, *size)))
    return "\n".join(lines)


def things(facts: Facts) -> list[tuple[int, str, list[float], list[float]]]:
    """List the objects that a model is told of: id, category, centre and size in metres; no walls and floors."""
    scene = facts.scene
    rows = zip(
        scene.instance_id.tolist(), scene.category.tolist(), scene.center.tolist(), scene.size.tolist(), strict=True
    )
    found = [row for row, part_of_room in zip(rows, is_structure(scene.category), strict=True) if not part_of_room]
    return found[:MOST_OBJECTS]


def proposal_messages(facts: Facts, frames: Sequence[Frame], *, count: int, exemplars: str) -> list[dict[str, Any]]:
    """Build the request for questions about one scene."""
    operators = "\n".join(f"{operator.signature(name)}: {operator.doc}" for name, operator in OPERATORS.items())
    text = fill_template(
        PROPOSE,
        {
            "count": count,
            "question_types": ", ".join(DEFAULT),
            "language": LANGUAGE,
            "operators": operators,
            "facts": scene_facts(facts),
            "exemplars": exemplars,
        },
    )
    return [{"role": "user", "content": [*map(_image, frames), {"type": "text", "text": text}]}]


def repair_messages(
    messages: Sequence[dict[str, Any]], reply: str, errors: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Ask once more, with what was wrong: (program or object, error)."""
    listed = "\n".join(f"- {what[:300]}\n  {error[:400]}" for what, error in errors)
    text = fill_template(REPAIR, {"errors": listed, "count": len(errors)})
    said = {"role": "assistant", "content": reply[:8000]}
    return [*messages, said, {"role": "user", "content": text}]


def recheck_messages(
    frames: Sequence[Frame], question: str, options: Sequence[str], answer: str
) -> list[dict[str, Any]]:
    """Ask whether a question needs the frames and its answer is plausible."""
    listed = "Options:\n" + "\n".join(options) + "\n" if options else ""
    text = fill_template(RECHECK, {"question": question, "options": listed, "answer": answer})
    return [{"role": "user", "content": [*map(_image, frames), {"type": "text", "text": text}]}]


def _image(frame: Frame) -> dict[str, Any]:
    """Embed the image of a frame as it is."""
    assert frame.image_path is not None
    kind = mimetypes.guess_type(frame.image_path.name)[0] or "image/png"
    data = base64.b64encode(fetched(frame.image_path).read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
