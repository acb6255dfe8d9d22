"""Text that the tiny tokenizer is trained on: the sentences that spatial questions and scene reports are made of."""

from __future__ import annotations

from qa_contract.prompts import PROMPTS

_CATEGORIES = [
    "backpack",
    "bathtub",
    "bed",
    "blanket",
    "book",
    "bookshelf",
    "bottle",
    "bowl",
    "box",
    "cabinet",
    "chair",
    "clock",
    "coat",
    "computer",
    "counter",
    "couch",
    "crate",
    "cup",
    "curtain",
    "cushion",
    "desk",
    "dishwasher",
    "door",
    "dresser",
    "fireplace",
    "guitar",
    "heater",
    "jacket",
    "kettle",
    "keyboard",
    "lamp",
    "laptop",
    "microwave",
    "mirror",
    "monitor",
    "mouse",
    "nightstand",
    "oven",
    "paper",
    "piano",
    "picture",
    "pillow",
    "plant",
    "printer",
    "radiator",
    "refrigerator",
    "shelf",
    "shoes",
    "sink",
    "sofa",
    "stool",
    "stove",
    "suitcase",
    "table",
    "telephone",
    "toilet",
    "towel",
    "trash",
    "bin",
    "tv",
    "washer",
    "whiteboard",
    "window",
]
_QUESTIONS = (
    "How many {a}(s) are in this room?",
    "What is the length of the longest dimension (length, width, or height) of the {a}, measured in centimeters?",
    "What is the size of this room (in square meters)? \n"
    "If multiple rooms are shown, estimate the size of the combined space.",
    "Measuring from the closest point of each object, what is the distance between the {a} and the {b} (in meters)?",
    "Measuring from the closest point of each object, which of these objects ({a}, {b}, {c}, {d}) is the closest to "
    "the {a}?",
    "If I am standing by the {a} and facing the {b}, is the {c} to the left or the right of the {b}?",
    "If I am standing by the {a} and facing the {b}, is the {c} to my left, right, or back?\n"
    "An object is to my back if I would have to turn at least 135 degrees in order to face it.",
    "If I am standing by the {a} and facing the {b}, is the {c} to my front-left, front-right, back-left, or "
    "back-right?\nThe directions refer to the quadrants of a Cartesian plane (if I am standing at the origin and "
    "facing along the positive y-axis).",
    "What will be the first-time appearance order of the following categories in the video: {a}, {b}, {c}, {d}?",
)


def corpus() -> list[str]:
    """Sentences over all categories, in a fixed order.

    Examples
    --------
    >>> "How many sofa(s) are in this room?" in corpus()
    True
    """
    prompt = PROMPTS["vsi-bench"]  # one alone, so that a prompt more does not change the tokens of a base
    prompts = [prompt.opening, prompt.choice_request, prompt.number_request]
    texts = ["user", "assistant", "system"] * len(_CATEGORIES)
    texts += ["Report", "Values", "room", "none"] * len(_CATEGORIES)
    for index in range(len(_CATEGORIES)):
        names = {k: _CATEGORIES[(index + i) % len(_CATEGORIES)] for k, i in zip("abcd", (0, 1, 5, 11), strict=True)}
        texts += prompts + [question.format(**names) for question in _QUESTIONS]
        texts += ["Options:\n" + "\n".join(f"{k.upper()}. {name}" for k, name in names.items())] * 4
        texts += ["A. left\nB. right\nC. back", "A. front-left\nB. front-right\nC. back-left\nD. back-right"]
    return texts
