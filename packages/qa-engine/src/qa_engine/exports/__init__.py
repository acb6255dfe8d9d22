"""Questions in the file formats of other tools."""

from qa_engine.exports.parts import Format
from qa_engine.exports.registry import CALLING, FORMATS, SCORING
from qa_engine.exports.run import Asked, Exported, export, read_files

__all__ = ["CALLING", "FORMATS", "SCORING", "Asked", "Exported", "Format", "export", "read_files"]
