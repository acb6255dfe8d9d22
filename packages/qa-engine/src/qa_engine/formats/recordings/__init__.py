"""Formats of frames with poses; a new one is a file and a line here."""

from __future__ import annotations

from qa_engine.formats.recordings.base import FrameFormat
from qa_engine.formats.recordings.colmap import COLMAP
from qa_engine.formats.recordings.nerfstudio import NERFCAPTURE_APP, NERFSTUDIO
from qa_engine.formats.recordings.polycam import POLYCAM
from qa_engine.formats.recordings.record3d import RECORD3D
from qa_engine.formats.recordings.rtabmap import RTABMAP
from qa_engine.formats.recordings.scanner3d import SCANNER3D
from qa_engine.formats.recordings.stray import STRAY
from qa_engine.formats.recordings.table import TABLE
from qa_engine.formats.recordings.tum import TUM

FRAME_FORMATS: dict[str, FrameFormat] = {
    form.name: form
    for form in (NERFCAPTURE_APP, NERFSTUDIO, TABLE, COLMAP, STRAY, RECORD3D, POLYCAM, SCANNER3D, RTABMAP, TUM)
}
"""Value of `--set frames_from` to format; the first that a folder is counts."""
