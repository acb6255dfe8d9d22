"""Tables that qa_engine reads and writes, as polars schemas.

The engine writes all of them but `feedback`, which it reads.
Other packages hold copies of the same declarations; the workspace's tests compare them.
A new nullable column is a minor version; anything else is a major one.
"""

from __future__ import annotations

import polars as pl

from qa_engine.tableio import Schema

SCENES: Schema = {
    "scene_name": pl.String,
    "dataset": pl.String,
    "scene_group": pl.String,  # rescans of one place share it
    "split": pl.String,  # train, val, test: seeded hash of scene_group
    "room_size_m2": pl.Float64,  # null where the source has none
    "room_center": pl.List(pl.Float64),  # (3,) metres, or null
    "floor_polygon": pl.List(pl.List(pl.Float64)),  # (n, 2) metres, counter-clockwise, or null
    "category_counts": pl.List(pl.Struct({"category": pl.String, "count": pl.Int64})),
    "cloud_path": pl.String,  # relative to the store, or null
    "canonical_from_source": pl.List(pl.Float64),  # (16,) row-major
    "source_sha": pl.String,
}

OBJECTS: Schema = {
    "scene_name": pl.String,
    "instance_id": pl.Int64,
    "category": pl.String,
    "category_raw": pl.String,
    "center": pl.List(pl.Float64),  # (3,) metres
    "size": pl.List(pl.Float64),  # (3,) full extents, metres
    "rotation": pl.List(pl.Float64),  # (9,) row-major 3x3, rows = box axes in world
    "n_points": pl.Int64,
}

FRAMES: Schema = {
    "scene_name": pl.String,
    "frame_id": pl.String,
    "time_s": pl.Float64,
    "image_path": pl.String,  # relative to the store
    "depth_path": pl.String,  # uint16 PNG, millimetres along z, 0 = none; or null
    "instance_path": pl.String,  # uint16 PNG, instance_id + 1, 0 = none; or null
    "width": pl.Int64,
    "height": pl.Int64,
    "intrinsics": pl.List(pl.Float64),  # (9,) row-major, pixels, or null
    "world_from_camera": pl.List(pl.Float64),  # (16,) row-major, OpenCV camera, or null
}

FRAME_SETS: Schema = {
    "scene_name": pl.String,
    "frame_set_id": pl.String,
    "method": pl.String,
    "n": pl.Int64,
    "frame_ids": pl.List(pl.String),
}

OBSERVATIONS: Schema = {
    "scene_name": pl.String,
    "frame_id": pl.String,
    "instance_id": pl.Int64,
    "visible_px": pl.Int64,
    "visible_fraction": pl.Float64,  # visible_px over the pixels that the object would cover unoccluded
    "truncated": pl.Boolean,
    "box_2d": pl.List(pl.Float64),  # (4,) x_min, y_min, x_max, y_max in pixels
    "depth_m": pl.Float64,  # median depth of the visible pixels
}

CLOUD: Schema = {
    "x": pl.Float32,  # metres, canonical world
    "y": pl.Float32,
    "z": pl.Float32,
    "instance_id": pl.Int64,  # -1 = none
}

MESH: Schema = {
    **dict.fromkeys(("x0", "y0", "z0", "x1", "y1", "z1", "x2", "y2", "z2"), pl.Float32),  # corners, metres
    "instance_id": pl.Int64,  # -1 = none
}

QUESTIONS: Schema = {
    "question_id": pl.String,
    "dataset": pl.String,
    "scene_name": pl.String,
    "question_type": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),  # "A. text", or null for numbers
    "ground_truth": pl.String,  # letter of the option, or the number as text
    "answer_type": pl.String,  # choice, integer, number
    "answer_value": pl.Float64,  # unrounded; null for a choice
    "answer_low": pl.Float64,
    "answer_high": pl.Float64,
    "unit": pl.String,
    "program": pl.String,
    "operands": pl.List(pl.Struct({"role": pl.String, "category": pl.String, "instance_ids": pl.List(pl.Int64)})),
    "margin": pl.Float64,  # distance to the next decision border, in margin_unit
    "margin_unit": pl.String,
    "cell": pl.String,  # one knob of the task cut at fixed edges, for example "count:3"
    "difficulty": pl.Struct(
        {
            "count": pl.Int64,
            "distance_m": pl.Float64,
            "size_m": pl.Float64,
            "area_m2": pl.Float64,
            "angle_deg": pl.Float64,
            "n_options": pl.Int64,
        }
    ),
    "frame_set_id": pl.String,
    "evidence_frames": pl.List(pl.String),
    "signature": pl.String,  # identity of the question across rounds: scene, type, operands, parameters
    "proposer": pl.String,
    "prompt_id": pl.String,
    "profile": pl.String,  # exact, vsi-bench
    "round": pl.Int32,
    "seed": pl.Int64,
}

CHOICES: Schema = {
    "question_id": pl.String,
    "scene_name": pl.String,
    "question_type": pl.String,
    "cell": pl.String,
    "signature": pl.String,
    "sampler": pl.String,
    "weight": pl.Float64,  # share of the questions that the cell was meant to have
    "predicted_confidence": pl.Float64,  # sampler predicted: of the learner, before the question is asked; else null
    "predicted_frontier": pl.Float64,
    "why": pl.String,
}

REJECTS: Schema = {
    "stage": pl.String,
    "item": pl.String,
    "scene_name": pl.String,
    "question_type": pl.String,
    "signature": pl.String,
    "reason": pl.String,  # a code of the closed list of the package
    "detail": pl.String,
}

FEEDBACK: Schema = {
    "round": pl.Int32,
    "scene_name": pl.String,
    "question_type": pl.String,
    "cell": pl.String,
    "n": pl.Int64,
    "n_easy": pl.Int64,
    "n_frontier": pl.Int64,
    "n_hard": pl.Int64,
    "n_suspect": pl.Int64,
    "mean_confidence": pl.Float64,
    "mean_score": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "exemplars": pl.List(pl.String),  # question ids
}

TABLES: dict[str, Schema] = {
    "scenes": SCENES,
    "objects": OBJECTS,
    "frames": FRAMES,
    "frame_sets": FRAME_SETS,
    "observations": OBSERVATIONS,
    "cloud": CLOUD,
    "mesh": MESH,
    "questions": QUESTIONS,
    "choices": CHOICES,
    "rejects": REJECTS,
    "feedback": FEEDBACK,
}
"""Table name to schema."""
