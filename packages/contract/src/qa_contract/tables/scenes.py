"""Tables of a store: scenes, what is in them, and what shows it."""

from __future__ import annotations

import polars as pl

from qa_contract.tables.declaration import SCENE_NAME, Table, always, maybe

SCENES = Table(
    name="scenes",
    rows="scene",
    written_by="`qa-engine ingest`, `align`",
    about="Scans or rooms, their split and their floor. Files without the columns of `align` are of version 1, without "
    "collections of 1.1.",
    key=("scene_name",),
    columns={
        "scene_name": SCENE_NAME,
        "dataset": always(pl.String, "name of the data set"),
        "scene_group": always(pl.String, "rescans of one place share it"),
        "split": always(pl.String, "train, val, test: seeded hash of scene_group"),
        "room_size_m2": maybe(pl.Float64, "floor area, where the source has one"),
        "room_center": maybe(pl.List(pl.Float64), "(3,) metres"),
        "floor_polygon": maybe(pl.List(pl.List(pl.Float64)), "(n, 2) metres, counter-clockwise"),
        "category_counts": maybe(
            pl.List(pl.Struct({"category": pl.String, "count": pl.Int64})),
            "instances per category, as the source counts them",
        ),
        "cloud_path": maybe(pl.String, "relative to the store"),
        "canonical_from_source": maybe(pl.List(pl.Float64), "(16,) row-major 4x4"),
        "source_sha": maybe(pl.String, "hash of the source files"),
        "gravity_error_deg": maybe(
            pl.Float64,
            "angle up to which the true vertical may lie off z; 180 = unknown, null: the scene is upright",
            since="1.1",
        ),
        "floor_error_m": maybe(
            pl.Float64, "how far the true floor may lie above or below z = 0; null: nothing is said of it", since="1.1"
        ),
        "scale_error": maybe(
            pl.Float64,
            "lengths are up to this share larger, or by one over one plus it smaller; 9 = unknown, null: metres",
            since="1.1",
        ),
        "clues": maybe(
            pl.List(
                pl.Struct(
                    {
                        "about": pl.String,
                        "source": pl.String,
                        "value": pl.Float64,
                        "error": pl.Float64,
                        "unit": pl.String,
                        "words": pl.String,
                    }
                )
            ),
            "what `align` concluded gravity, floor, yaw and scale from: value and error (95%) of each, and in words",
            since="1.1",
        ),
        "collection": maybe(
            pl.String, "what `ingest --collection` called the scenes; null: they have no name of their own", since="1.2"
        ),
    },
    version="1.2",
)

OBJECTS = Table(
    name="objects",
    rows="object instance",
    written_by="`qa-engine ingest`",
    about="Oriented boxes. Box axes are the rows of `rotation`.",
    key=("scene_name", "instance_id"),
    columns={
        "scene_name": SCENE_NAME,
        "instance_id": always(pl.Int64, "unique in its scene"),
        "category": always(pl.String, "canonical name, used in questions"),
        "category_raw": maybe(pl.String, "name in the source"),
        "center": always(pl.List(pl.Float64), "(3,) metres"),
        "size": always(pl.List(pl.Float64), "(3,) full extents, metres"),
        "rotation": always(pl.List(pl.Float64), "(9,) row-major 3x3, rows = box axes in world"),
        "n_points": maybe(pl.Int64, "points of the instance"),
        "face_error_m": maybe(
            pl.Float64,
            "how far a face of the box may be off, where that is known; null: the noise that answers allow for",
        ),
        "confidence": maybe(pl.Float64, "0 to 1: how sure the source is that the object is there and called this"),
    },
    version="1.1",
)

FRAMES = Table(
    name="frames",
    rows="image",
    written_by="`qa-engine ingest`",
    about="Frames with camera poses where the source has them.",
    key=("scene_name", "frame_id"),
    columns={
        "scene_name": SCENE_NAME,
        "frame_id": always(pl.String, "unique in its scene"),
        "time_s": maybe(pl.Float64, "seconds since the first frame"),
        "image_path": always(pl.String, "relative to the store"),
        "depth_path": maybe(pl.String, "uint16 PNG, millimetres along z, 0 = none"),
        "instance_path": maybe(pl.String, "uint16 PNG, instance_id + 1, 0 = none"),
        "width": always(pl.Int64, "pixels"),
        "height": always(pl.Int64, "pixels"),
        "intrinsics": maybe(pl.List(pl.Float64), "(9,) row-major 3x3, pixels"),
        "world_from_camera": maybe(pl.List(pl.Float64), "(16,) row-major 4x4, OpenCV camera"),
    },
)

FRAME_SETS = Table(
    name="frame_sets",
    rows="scene and choice of frames",
    written_by="`qa-engine sample-frames`",
    about="The frames that a model sees, in order.",
    key=("scene_name", "frame_set_id"),
    columns={
        "scene_name": SCENE_NAME,
        "frame_set_id": always(pl.String, 'for example "uniform-32"'),
        "method": always(pl.String, "how the frames were chosen"),
        "n": always(pl.Int64, "frames asked for"),
        "frame_ids": always(pl.List(pl.String), "in the order shown"),
    },
)

OBSERVATIONS = Table(
    name="observations",
    rows="object seen in a frame",
    written_by="`qa-engine observe`",
    about="Objects that no pixel shows have no row.",
    key=("scene_name", "frame_id", "instance_id"),
    columns={
        "scene_name": SCENE_NAME,
        "frame_id": always(pl.String, "unique in its scene"),
        "instance_id": always(pl.Int64, "the object"),
        "visible_px": always(pl.Int64, "pixels of the image that show it"),
        "visible_fraction": maybe(
            pl.Float64, "those over the pixels that it would cover if nothing stood before it; null without a camera"
        ),
        "truncated": always(pl.Boolean, "it goes on beyond the border of the image"),
        "box_2d": always(pl.List(pl.Float64), "(4,) first column, first row, one past the last column and row, pixels"),
        "depth_m": maybe(pl.Float64, "median depth of its pixels along the camera's z axis"),
    },
)

CLOUD = Table(
    name="cloud",
    rows="point, sorted by object",
    written_by="`qa-engine ingest`",
    about="A file per scene, `clouds/<scene>.parquet` (`cloud_path` of `scenes`).",
    columns={
        **dict.fromkeys(("x", "y", "z"), always(pl.Float32, "metres")),
        "instance_id": always(pl.Int64, "the object that it belongs to, -1 = none"),
    },
)

MESH = Table(
    name="mesh",
    rows="triangle",
    written_by="`qa-engine ingest`",
    about="A file per scene that has a mesh, `meshes/<scene>.parquet`.",
    columns={
        **{f"{axis}{k}": always(pl.Float32, f"corner {k}, metres") for k in range(3) for axis in "xyz"},
        "instance_id": always(pl.Int64, "the object that it belongs to, -1 = none"),
    },
)
