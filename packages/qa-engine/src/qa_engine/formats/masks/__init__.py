"""Layouts of instance masks; one file and one line each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.formats.masks.base import Mask, MaskLayout, Read, match_frames
from qa_engine.formats.masks.coco import COCO
from qa_engine.formats.masks.grounded import GROUNDED_IMAGES, GROUNDED_VIDEO
from qa_engine.formats.masks.png_ids import PNG_IDS

MASK_LAYOUTS: dict[str, MaskLayout] = {
    layout.name: layout for layout in (GROUNDED_VIDEO, GROUNDED_IMAGES, COCO, PNG_IDS)
}
"""Name to layout; of those that find something, the first is taken."""


def find_masks(folder: Path, layout: str | None = None) -> tuple[str, Mapping[str, Read]]:
    """Find the masks of one scene.

    Parameters
    ----------
    folder : Path
    layout : str, optional
        A name in `MASK_LAYOUTS`; by what the folder holds where it is not given.

    Returns
    -------
    str
        The layout.
    mapping of str to callable
        Frame name to a reader of its masks.

    Raises
    ------
    QAEngineError
        An unknown layout, or nothing of a known layout in the folder.
    SceneError
        A file that lists masks is damaged.
    """
    if layout is not None and layout not in MASK_LAYOUTS:
        raise unknown_name("layout of masks", layout, MASK_LAYOUTS, "See 'qa-engine lift --help'.")
    for name in MASK_LAYOUTS if layout is None else (layout,):
        found = MASK_LAYOUTS[name].find(folder)
        if found:
            return name, found
    known = "; ".join(f"{name}: {way.about}" for name, way in MASK_LAYOUTS.items() if layout in (None, name))
    raise QAEngineError(f"{folder}: no masks found. Known layouts: {known}.")


__all__ = ["MASK_LAYOUTS", "Mask", "MaskLayout", "Read", "find_masks", "match_frames"]
