"""What a person decided about objects and questions."""

from __future__ import annotations

import polars as pl

from qa_contract.tables.declaration import SCENE_NAME, Table, always, maybe

REVIEWS = Table(
    name="reviews",
    rows="reviewed object or question",
    written_by="`qa-engine review`",
    about="`ingest` and `lift` leave rejected objects out and take corrected ones (`--reviews`); `generate` asks no "
    "rejected question again.",
    key=("scene_name", "kind", "item"),
    columns={
        "scene_name": SCENE_NAME,
        "kind": always(pl.String, "object, question"),
        "item": always(pl.String, "instance_id of the object, question_id of the question"),
        "verdict": always(pl.String, "accept, reject, fix"),
        "category": maybe(pl.String, "new name of the object"),
        "center": maybe(pl.List(pl.Float64), "(3,) new middle, metres"),
        "size": maybe(pl.List(pl.Float64), "(3,) new full extents, metres"),
        "yaw_deg": maybe(pl.Float64, "new turn of the first axis about the up axis, degrees; the box stands upright"),
        "signature": maybe(pl.String, "of a question: what is not asked again"),
        "note": maybe(pl.String, "what the person wrote"),
    },
)
