"""Refusals are counted all and shown as examples, the same however the scenes are cut into batches."""

import numpy as np
import pytest
from qa_contract.tableio import read_table
from qa_contract.tables import REJECTS
from qa_engine.checks import Reason
from qa_engine.generation.refusals import EXAMPLES, Refusals


def rows(n: int, reason: str = Reason.TOO_CLOSE) -> list[tuple[str, str, str, str, str]]:
    return [(f"room_{k}", "object_abs_distance", "", reason, f"{k + 1} candidates") for k in range(n)]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_batches_together_are_the_whole(every, size):
    whole, merged = Refusals(every), Refusals(every)
    listed = rows(50) + rows(30, Reason.BAD_SCENE)
    for k, row in enumerate(listed):
        whole.add(row, k)
    for start in range(0, len(listed), size):
        part = Refusals(every)
        for k, row in enumerate(listed[start : start + size], start):
            part.add(row, k)
        merged.merge(part)
    assert merged.counts == whole.counts
    assert merged.rows == whole.rows
    assert len(whole.rows) == (80 if every else EXAMPLES + 30), "a lost scene is always a row"


def test_rows_that_were_taken_still_count():
    refusals = Refusals()
    for row in rows(2 * EXAMPLES):
        refusals.add(row)
        refusals.take()
    refusals.add(rows(1)[0])
    assert len(refusals.take()) == 0
    assert refusals.by_type() == {"object_abs_distance": {"too_close": 2 * EXAMPLES + 1}}


def test_the_manifest_counts_what_the_table_shows_examples_of(call, write_vsi, vsi_entry, tmp_path):
    import json

    source = write_vsi({f"scene {k}": vsi_entry for k in range(EXAMPLES + 5)})
    assert call("ingest", "vsi-bench", source, "--out", tmp_path / "store") == 0
    for name, flags in {"some": (), "all": ("--all-rejects",)}.items():
        assert call("generate", tmp_path / "store", "--out", tmp_path / name, "--per-scene", 1, *flags) == 0
    some, every = (read_table(tmp_path / name, "rejects", REJECTS) for name in ("some", "all"))
    sizes = some.group_by("question_type", "reason").len()["len"].to_numpy()
    assert sizes.max() == EXAMPLES < every.group_by("question_type", "reason").len()["len"].max()
    refused = [json.loads((tmp_path / name / "manifest.json").read_text())["refused"] for name in ("some", "all")]
    assert refused[0] == refused[1]
    in_detail = every["detail"].str.extract(r"^(\d+) candidates").fill_null("1").cast(int).sum()
    assert np.sum([n for reasons in refused[0].values() for n in reasons.values()]) == in_detail
    assert (tmp_path / "some/questions.parquet").read_bytes() == (tmp_path / "all/questions.parquet").read_bytes()
