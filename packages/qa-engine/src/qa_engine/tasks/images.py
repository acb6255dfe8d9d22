"""What one image shows: left and right, near and far, how much of a thing is hidden, how many there are."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import (
    MAX_CAMERA_DISTANCE_M,
    MIN_CAMERA_DISTANCE_M,
    MIN_CLOSEST_M,
    MIN_DEPTH_GAP_M,
    MIN_DISTANCE_M,
    MIN_HEIGHT_GAP_CM,
    MIN_HIDDEN_PERCENT,
    MIN_OPTION_GAP_M,
    MIN_PICTURE_GAP,
)
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Draw, Knob, Tags, Task, numbers
from qa_engine.tasks.forms import Context, Rule, ask_value, ask_which_way, declare
from qa_engine.tasks.pools import around_in_image, drawn_sets, of_image
from qa_engine.tasks.quantities import CAMERA_DISTANCE, DISTANCE, HEIGHT, HIDDEN, IMAGE_X, IMAGE_Y, WIDTH
from qa_engine.tasks.rankings import ask_most, ask_order, ask_place

IMAGE = Context(of_image, ("frame",), ("frame",), "frames", "one", "an image that shows them")
AROUND = Context(around_in_image, ("frame", "anchor"), ("frame", "name"), "frames", "one", "an image that shows them")
_SEEN = Tags("images", "perception", ("position",))
_DEPTH = Tags("images", "relation", ("depth", "comparison"))
_SIZE = Tags("images", "measurement", ("size",))
_SHARE_GAP = Knob("margin", ("<0.15", "0.15-0.3", ">=0.3"), (0.15, 0.3), "image")
_M_GAP = Knob("margin", ("<0.5", "0.5-1", ">=1"), (0.5, 1), "m")
_CM = Knob("size", ("<50", "50-100", ">=100"), (50, 100), "cm")
_M = Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m")


def _count_in_image(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    counts = _of_category(batch)
    count = counts[0][roles[:, 0], roles[:, 1]].astype(np.float64)
    return numbers(count, (count, count), step=1.0)


def _of_category(batch: Batch) -> tuple[Rows, Rows]:
    """Objects of each category that each image shows clearly, and that it shows at all, (f, c)."""

    def make(part: Batch) -> tuple[Rows, Rows]:
        clear, shown = (np.zeros((len(part.frames), len(part.categories)), dtype=np.int64) for _ in range(2))
        for frame in range(len(part.frames)):
            k = int(part.frames.scene[frame])
            rows = np.arange(part.row_start[k], part.row_start[k + 1])
            views = part.frames.views(np.full(len(rows), frame), rows)
            np.add.at(clear[frame], part.code[rows], part.frames.clear[views])
            np.add.at(shown[frame], part.code[rows], part.frames.pixels[views] > 0)
        return clear, shown

    return batch.remember("objects of categories in images", make)


def _counted(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List images and categories of which they show several objects, all of them known and clear."""
    clear, shown = _of_category(batch)
    known = (batch.boxes == batch.counts) & (batch.counts > 0)
    frame, code = np.nonzero((clear == shown) & (clear > 1) & known)
    return batch.frames.scene[frame], np.column_stack([frame, code])


def _pair_distance(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    value = DISTANCE.of(batch, roles[:, 1:2], roles[:, 2])
    noise = DISTANCE.noise(batch, roles[:, 1:2], roles[:, 2], value)
    return numbers(value, (np.maximum(value - noise, 0), value + noise), step=0.1)


def _apart(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [(Reason.TOO_CLOSE, np.rint(answers.value * 10) < MIN_DISTANCE_M * 10)]


TASKS: tuple[Task, ...] = (
    ask_which_way(
        "image_left_or_right",
        IMAGE_X,
        wordings=(
            "In this image, is the {a} to the left or to the right of the {b}?",
            "Compare the middles of what the image shows of them: is the {a} left or right of the {b}?",
        ),
        words=("right", "left"),
        min_gap=MIN_PICTURE_GAP,
        context=IMAGE,
        knob=_SHARE_GAP,
        tags=_SEEN,
    ),
    ask_which_way(
        "image_above_or_below",
        IMAGE_Y,
        wordings=(
            "In this image, does the {a} appear above or below the {b}?",
            "Compare the middles of what the image shows of them: is the {a} higher up (above) or lower (below) in the "
            "picture than the {b}?",
        ),
        words=("below", "above"),
        min_gap=MIN_PICTURE_GAP,
        context=IMAGE,
        knob=_SHARE_GAP,
        tags=_SEEN,
    ),
    ask_most(
        "image_leftmost",
        IMAGE_X,
        wordings=(
            "Which of these appears the farthest to the left in this image: {listed}?",
            "Going through the image from the left, which of {listed} comes first?",
        ),
        most=False,
        k=3,
        min_gap=MIN_PICTURE_GAP,
        context=IMAGE,
        knob=_SHARE_GAP,
        tags=_SEEN,
        limit=20,
    ),
    ask_order(
        "image_left_to_right",
        IMAGE_X,
        wordings=(
            "Name these in the order in which they appear in the image from left to right: {listed}.",
            "Sort from the left border of the image to the right one: {listed}.",
        ),
        k=3,
        min_gap=MIN_PICTURE_GAP,
        context=IMAGE,
        knob=_SHARE_GAP,
        tags=_SEEN,
    ),
    ask_which_way(
        "image_nearer_or_farther",
        CAMERA_DISTANCE,
        wordings=(
            "Is the {a} nearer to the camera or farther from it than the {b}, each measured to its closest point?",
            "From where the image was taken, is the {a} nearer or farther than the {b}?",
        ),
        words=("farther", "nearer"),
        min_gap=MIN_DEPTH_GAP_M,
        context=IMAGE,
        knob=_M_GAP,
        tags=_DEPTH,
    ),
    ask_most(
        "image_nearest",
        CAMERA_DISTANCE,
        wordings=(
            "Which of these is the nearest to the camera, measured to its closest point: {listed}?",
            "From where the image was taken, which of {listed} is the closest?",
        ),
        most=False,
        k=3,
        min_gap=MIN_DEPTH_GAP_M,
        context=IMAGE,
        knob=_M_GAP,
        tags=_DEPTH,
        limit=20,
    ),
    ask_most(
        "image_farthest",
        CAMERA_DISTANCE,
        wordings=(
            "Which of these is the farthest from the camera, measured to its closest point: {listed}?",
            "From where the image was taken, which of {listed} is the most distant?",
        ),
        most=True,
        k=3,
        min_gap=MIN_DEPTH_GAP_M,
        context=IMAGE,
        knob=_M_GAP,
        tags=_DEPTH,
        limit=20,
    ),
    ask_place(
        "image_second_nearest",
        CAMERA_DISTANCE,
        wordings=(
            "Which of these is the second nearest to the camera, measured to its closest point: {listed}?",
            "From where the image was taken, which of {listed} comes second when sorted from near to far?",
        ),
        place=1,
        k=4,
        min_gap=MIN_DEPTH_GAP_M,
        context=IMAGE,
        knob=_M_GAP,
        tags=_DEPTH,
        limit=20,
    ),
    ask_order(
        "image_depth_order",
        CAMERA_DISTANCE,
        wordings=(
            "Order these by their distance to the camera, the nearest first, each measured to its closest point: "
            "{listed}.",
            "Sort from near to far as seen from the camera: {listed}.",
        ),
        k=3,
        min_gap=MIN_DEPTH_GAP_M,
        context=IMAGE,
        knob=_M_GAP,
        tags=_DEPTH,
    ),
    ask_value(
        "image_camera_distance",
        CAMERA_DISTANCE,
        wordings=(
            "How far is the camera from the closest point of the {object} (in meters)?",
            "What is the distance in meters between where this image was taken and the {object}, at its closest point?",
        ),
        integer=False,
        bounds=(MIN_CAMERA_DISTANCE_M, MAX_CAMERA_DISTANCE_M),
        context=IMAGE,
        knob=_M,
        tags=Tags("images", "measurement", ("depth", "distance")),
    ),
    ask_value(
        "image_object_height",
        HEIGHT,
        wordings=(
            "How high is the {object} in this image, measured in centimeters from its lowest to its highest point?",
            "Estimate the height of the {object} in centimeters.",
        ),
        context=IMAGE,
        knob=_CM,
        tags=_SIZE,
    ),
    ask_value(
        "image_object_width",
        WIDTH,
        wordings=(
            "Seen from above, how long would the longer side of the {object} in this image be, in centimeters?",
            "How wide is the {object} along its longer horizontal side, in centimeters?",
        ),
        context=IMAGE,
        knob=_CM,
        tags=_SIZE,
    ),
    ask_which_way(
        "image_taller_or_shorter",
        HEIGHT,
        wordings=(
            "In the room itself, is the {a} in this image taller or shorter than the {b}?",
            "Not in the picture but in reality: is the {a} taller or shorter than the {b}?",
        ),
        words=("taller", "shorter"),
        min_gap=MIN_HEIGHT_GAP_CM,
        context=IMAGE,
        knob=Knob("margin", ("<25", "25-50", ">=50"), (25, 50), "cm"),
        tags=Tags("images", "relation", ("size", "comparison")),
    ),
    ask_most(
        "image_closest_object",
        DISTANCE,
        wordings=(
            "Measuring from the closest point of each object in the room, which of these is the closest to the "
            "{anchor}: {listed}?",
            "Which of {listed} stands closest to the {anchor} in the room that this image shows?",
        ),
        most=False,
        k=3,
        min_gap=MIN_OPTION_GAP_M,
        min_value=MIN_CLOSEST_M,
        context=AROUND,
        knob=_M_GAP,
        tags=Tags("images", "relation", ("distance", "comparison")),
        limit=5,
    ),
    declare(
        "image_object_distance",
        roles=("frame", "a", "b"),
        kinds=("frame", "name", "name"),
        listed_by=lambda batch, rng: drawn_sets(batch, of_image(batch), rng, 2),
        measure=_pair_distance,
        rules=_apart,
        wordings=(
            "How far apart are the {listed_0} and the {listed_1} in this image, from closest point to closest point "
            "(in meters)?",
            "What is the distance in meters between the {listed_0} and the {listed_1}, measured in the room?",
        ),
        program="distance_m({a_id}, {b_id})",
        listed=(1, 2),
        answer_type="number",
        unit="m",
        knob=_M,
        tags=Tags("images", "measurement", ("distance",), "one"),
        needs="an image that shows two objects that can be referred to",
        shows="frames",
    ),
    ask_value(
        "image_hidden_share",
        HIDDEN,
        wordings=(
            "What percentage of the {object} within the borders of this image is hidden behind other things?",
            "Of all that the image could show of the {object}, how many percent do other things cover?",
        ),
        bounds=(MIN_HIDDEN_PERCENT, 100.0),
        context=IMAGE,
        knob=Knob("hidden", ("<30", "30-60", ">=60"), (30, 60), "percent"),
        tags=Tags("images", "perception", ("occlusion",)),
    ),
    declare(
        "image_count",
        roles=("frame", "counted"),
        kinds=("frame", "name"),
        single=(),
        listed_by=_counted,
        measure=_count_in_image,
        wordings=("How many {counted}(s) does this image show?", "Count the {counted}(s) that can be seen here."),
        program="count_shown({counted_literal}, {frame_id})",
        answer_type="integer",
        unit="objects",
        knob=Knob("count", ("2", "3", "4+"), (3, 4), "objects"),
        tags=Tags("images", "perception", ("counting",), "one"),
        needs="an image that shows several objects of a category, all of them clearly",
        shows="frames",
    ),
)
