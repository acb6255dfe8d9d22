"""Frames of equal times are frames of their own, in the order of the recording."""

from types import SimpleNamespace

import numpy as np
import polars as pl
from qa_contract.tables import FRAMES, OBSERVATIONS
from qa_engine.facts.scene import Facts
from qa_engine.programs import run_program
from qa_engine.scenes.scene import Scene
from qa_engine.views.sightings import SightingIndex


def rows(schema, **columns):
    frame = pl.DataFrame(columns)
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in schema.items() if name not in columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in schema.items())


def test_frames_of_equal_times_are_neither_merged_nor_exchanged(tmp_path):
    # Frames as recorded; z and a have one time, as two pictures of one second have.
    frames = rows(FRAMES, scene_name=["s"] * 4 + ["t"], frame_id=[*"zamb", "z"], time_s=[1.0, 1.0, 0.0, 2.0, 9.0])
    seen = {"frame_id": [*"abzm", "z"], "instance_id": [0, 1, 2, 3, 0], "visible_px": [200, 200, 200, 200, 200]}
    views = rows(OBSERVATIONS, scene_name=["s"] * 4 + ["t"], **seen)
    tables = {"frames": frames, "observations": views}
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    found = SightingIndex(SimpleNamespace(path=tmp_path, together=lambda name: (name,))).of("s")
    assert found.frame_time_s.tolist() == [0, 1, 1, 2]  # m, z, a, b
    assert found.first_frame(np.arange(4), 100).tolist() == [2, 3, 1, 0]
    assert found.first_seen_s(np.arange(4), 100).tolist() == [1, 2, 1, 0]
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["bed", "lamp", "sofa", "table"]),
        center=np.zeros((4, 3)),
        size=np.ones((4, 3)),
        rotation=np.stack([np.eye(3)] * 4),
    )
    facts = Facts(scene, sightings=lambda _: found)
    order = run_program("appearance_order(['bed', 'lamp', 'sofa', 'table'], 100)", facts)
    assert order.value == "table, sofa, bed, lamp"
    assert run_program("[first_frame(0), first_frame(2), length(frames())]", facts).value == [2, 1, 4]
