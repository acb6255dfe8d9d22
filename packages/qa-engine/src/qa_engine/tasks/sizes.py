"""How large objects are, alone and beside each other."""

from __future__ import annotations

from qa_engine.checks.ambiguity import MIN_HEIGHT_GAP_CM, MIN_TOP_GAP_M, MIN_VOLUME_GAP_L
from qa_engine.tasks.base import Knob, Tags, Task
from qa_engine.tasks.forms import ask_value, ask_which_way
from qa_engine.tasks.quantities import HEIGHT, TOP, VOLUME, WIDTH
from qa_engine.tasks.rankings import ask_most, ask_order

_SIZE = Tags("sizes", "measurement", ("size",))
_COMPARED = Tags("sizes", "relation", ("size", "comparison"))
_CM = Knob("size", ("<50", "50-100", "100-200", ">=200"), (50, 100, 200), "cm")
_LITRES = Knob("volume", ("<50", "50-200", "200-1000", ">=1000"), (50, 200, 1000), "l")
_CM_GAP = Knob("margin", ("<25", "25-50", "50-100", ">=100"), (25, 50, 100), "cm")
_LITRE_GAP = Knob("margin", ("<100", "100-500", ">=500"), (100, 500), "l")

TASKS: tuple[Task, ...] = (
    ask_value(
        "object_height",
        HEIGHT,
        wordings=(
            "How high is the {object}, measured in centimeters?",
            "What is the height of the {object} from its lowest to its highest point, in centimeters?",
            "Estimate how tall the {object} is in centimeters.",
        ),
        knob=_CM,
        tags=_SIZE,
    ),
    ask_value(
        "object_width",
        WIDTH,
        wordings=(
            "Seen from above, how long is the longer side of the {object}, measured in centimeters?",
            "How wide is the {object} along its longer horizontal side, in centimeters?",
        ),
        knob=_CM,
        tags=_SIZE,
    ),
    ask_value(
        "object_volume",
        VOLUME,
        wordings=(
            "What is the volume of the smallest box around the {object}, in liters?",
            "How many liters does a box hold into which the {object} just fits?",
        ),
        knob=_LITRES,
        tags=_SIZE,
    ),
    ask_most(
        "object_tallest",
        HEIGHT,
        wordings=(
            "Which of these objects is the tallest: {listed}?",
            "Measured from lowest to highest point, which one is the highest of {listed}?",
        ),
        most=True,
        k=4,
        min_gap=MIN_HEIGHT_GAP_CM,
        knob=_CM_GAP,
        tags=_COMPARED,
    ),
    ask_most(
        "object_shortest",
        HEIGHT,
        wordings=(
            "Which of these objects is the least tall: {listed}?",
            "Measured from lowest to highest point, which one is the lowest of {listed}?",
        ),
        most=False,
        k=3,
        min_gap=MIN_HEIGHT_GAP_CM,
        knob=_CM_GAP,
        tags=_COMPARED,
    ),
    ask_most(
        "object_largest",
        VOLUME,
        wordings=(
            "Which of these objects takes up the most space: {listed}?",
            "Around which of these would the smallest box that holds it be the largest: {listed}?",
        ),
        most=True,
        k=4,
        min_gap=MIN_VOLUME_GAP_L,
        knob=_LITRE_GAP,
        tags=_COMPARED,
    ),
    ask_most(
        "object_smallest",
        VOLUME,
        wordings=(
            "Which of these objects takes up the least space: {listed}?",
            "Around which of these would the smallest box that holds it be the smallest: {listed}?",
        ),
        most=False,
        k=3,
        min_gap=MIN_VOLUME_GAP_L,
        knob=_LITRE_GAP,
        tags=_COMPARED,
    ),
    ask_which_way(
        "object_taller_or_shorter",
        HEIGHT,
        wordings=(
            "Is the {a} taller or shorter than the {b}, each measured from its lowest to its highest point?",
            "Compare heights: is the {a} taller or shorter than the {b}?",
        ),
        words=("taller", "shorter"),
        min_gap=MIN_HEIGHT_GAP_CM,
        knob=_CM_GAP,
        tags=_COMPARED,
    ),
    ask_which_way(
        "object_top_higher_or_lower",
        TOP,
        wordings=(
            "Is the top of the {a} higher or lower above the floor than the top of the {b}?",
            "Does the highest point of the {a} lie higher or lower than that of the {b}?",
        ),
        words=("higher", "lower"),
        min_gap=MIN_TOP_GAP_M,
        knob=Knob("margin", ("<0.3", "0.3-0.8", ">=0.8"), (0.3, 0.8), "m"),
        tags=_COMPARED,
    ),
    ask_order(
        "object_height_order",
        HEIGHT,
        wordings=(
            "Order these objects from the least tall to the tallest: {listed}.",
            "Sort by height, the lowest first: {listed}.",
        ),
        k=3,
        min_gap=MIN_HEIGHT_GAP_CM,
        knob=_CM_GAP,
        tags=_COMPARED,
    ),
    ask_order(
        "object_volume_order",
        VOLUME,
        wordings=(
            "Order these objects by the space that they take up, the smallest first: {listed}.",
            "Sort from the smallest to the largest: {listed}.",
        ),
        k=3,
        min_gap=MIN_VOLUME_GAP_L,
        knob=_LITRE_GAP,
        tags=_COMPARED,
    ),
)
