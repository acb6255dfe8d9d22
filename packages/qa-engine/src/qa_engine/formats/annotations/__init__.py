"""Formats of labelled boxes; a new one is a file and a line here."""

from __future__ import annotations

from qa_engine.formats.annotations.base import BoxFormat
from qa_engine.formats.annotations.cuboids import DATUMARO, SEGMENTS, SUPERVISELY
from qa_engine.formats.annotations.house import HOUSE
from qa_engine.formats.annotations.kitti import KITTI
from qa_engine.formats.annotations.labelcloud import LABELCLOUD
from qa_engine.formats.annotations.own import OWN_JSON, OWN_TABLE
from qa_engine.formats.annotations.roomplan import ROOMPLAN
from qa_engine.formats.annotations.scenescript import SCENESCRIPT
from qa_engine.formats.annotations.spatiallm import SPATIALLM

BOX_FORMATS: dict[str, BoxFormat] = {
    form.name: form
    for form in (
        OWN_JSON,
        OWN_TABLE,
        ROOMPLAN,
        SPATIALLM,
        SCENESCRIPT,
        SUPERVISELY,
        DATUMARO,
        SEGMENTS,
        LABELCLOUD,
        HOUSE,
        KITTI,
    )
}
"""Value of `--set boxes_from` to format; the first that a folder is counts."""
