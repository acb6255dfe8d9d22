"""Every format is in one table, which doctor and the manual use."""

from pathlib import Path

import pytest
from qa_engine.datasets import DATASETS
from qa_engine.datasets.base import IngestOptions
from qa_engine.formats.annotations import BOX_FORMATS
from qa_engine.formats.catalogue import FOREIGN, foreign, formats_in, tables
from qa_engine.formats.recordings import FRAME_FORMATS
from qa_engine.ingestion.doctor import diagnose

PAGES = (folder / "docs" / "own_scans.md" for folder in Path(__file__).parents)
MANUAL = next((page for page in PAGES if page.is_file()), None)


@pytest.mark.skipif(MANUAL is None, reason="the manual is not part of the package")
def test_the_manual_has_the_tables():
    assert tables() in MANUAL.read_text()


def test_names_are_unique_and_everything_says_what_to_do():
    names = [*FRAME_FORMATS, *BOX_FORMATS, *(item.title for item in FOREIGN)]
    assert len(set(names)) == len(names)
    assert all(item.advice and item.patterns for item in FOREIGN)
    assert {item.dataset for item in FOREIGN} <= {"", *DATASETS}
    assert foreign("holiday.weird") is None


@pytest.mark.parametrize("item", FOREIGN, ids=lambda item: item.title)
def test_doctor_names_what_is_not_read_and_what_to_do(tmp_path, item):
    name = item.patterns[0].replace("*", "a")
    (tmp_path / "scan").mkdir()
    (tmp_path / "scan" / name).write_bytes(b"x")
    assert foreign(name).endswith(item.advice)
    found = formats_in(tmp_path)
    assert found
    if not FRAME_FORMATS.keys() & found.keys() and "boxes" not in name:
        diagnosis = diagnose(tmp_path, options=IngestOptions())
        assert diagnosis.dataset == item.dataset or item.advice in diagnosis.formats[item.title]
