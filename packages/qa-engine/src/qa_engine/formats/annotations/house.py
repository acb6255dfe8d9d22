"""Matterport3D's `.house`: a house as lines of text, of which those of categories and objects are read.

References
----------
niessner/Matterport, `data_organization.md`: `C index mapping_index mapping_name mpcat40_index mpcat40_name`, `O index
region category px py pz a0x a0y a0z a1x a1y a1z r0 r1 r2`; the third axis is a0 x a1, r are half lengths in metres, Z
up; `#` stands for a blank in names, category -1 for none.
"""

from __future__ import annotations

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_BYTES, Annotated, Annotation, BoxFormat, Collected, files_with
from qa_engine.formats.annotations.layouts import finite
from qa_engine.formats.canonical import right_angled
from qa_engine.formats.parsing import read_text
from qa_engine.scenes.fields import shorten

NOTHING = ("", "-", "void", "unlabeled", "remove", "misc")


def read_house(found: Annotated) -> Annotation:
    """Read the objects of a house; one that is damaged, or flat, is refused alone."""
    boxes, names = Collected(), {}
    lines = read_text(found.path, max_bytes=MAX_BYTES).splitlines()
    for line in lines:
        words = line.split()
        if words[:1] == ["C"] and len(words) >= 6:
            names[words[1]] = words[3].replace("#", " ")
    n_without = 0
    for i, line in enumerate(lines, start=1):
        words, place = line.split(), f"{found.path.name}: line {i}"
        if words[:1] != ["O"]:
            continue
        try:
            if len(words) < 16:
                raise SceneError(place, f"no object: {shorten(line)}", reason=IngestReason.BAD_FORMAT)
            label = names.get(words[3], "")
            if label in NOTHING:
                n_without += 1
                continue
            values = np.array(finite(words[4:16], 12, place)).reshape(4, 3)
            axes = right_angled(np.stack([values[1], values[2], np.cross(values[1], values[2])]), place)
            boxes.add(label, int(words[1]), values[0], 2 * values[3], axes)
        except SceneError as error:
            boxes.refused.append(error)
    if n_without:
        problem = f"{n_without} objects have no category"
        boxes.refused.append(SceneError(found.path.name, problem, reason=IngestReason.SKIPPED))
    return boxes.annotation()


HOUSE = BoxFormat(
    name="matterport",
    title="Matterport3D",
    told_by="`*.house`",
    up="z",
    turned_by="two axes",
    find=files_with(names=("*.house", "house_segmentations/*.house")),
    read=read_house,
    note="all rooms of the house are one scan",
)
