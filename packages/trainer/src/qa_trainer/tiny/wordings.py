"""Ways to ask for one thing, so that the student learns what is asked and not one sentence.

None of them is a wording of the engine: whatever the student makes of those it learns when it is fine-tuned.
"""

from __future__ import annotations

import numpy as np

WORDINGS: dict[str, tuple[str, ...]] = {
    "room": (
        "What is the area of the room in square meters?",
        "How big is the floor, in square meters?",
        "How many square meters does the room have?",
        "Estimate the floor area of the room shown (m2).",
        "The room that the video shows has a certain size. Give it in square meters.",
        "How large is the place that you see (square meters)? Take everything inside the walls.",
    ),
    "count": (
        "How many {0}(s) can you see in the video?",
        "Count the {0}(s).",
        "What is the number of {0}(s) shown?",
        "How many {0}(s) does the room have?",
        "Tell how often a {0} stands in the room.",
        "There may be several {0}(s) here. How many are there?",
    ),
    "size": (
        "What is the longest dimension of the {0} in centimeters?",
        "How long is the longest side of the {0} (cm)?",
        "Of length, width and height of the {0}, how much is the largest, in centimeters?",
        "Measure the {0} along its longest side. How many centimeters?",
        "How many centimeters is the {0} at its longest?",
        "Give the size of the {0} in centimeters: the longest of its three sides.",
    ),
    "place": (
        "What is the place of the {0} (in meters)?",
        "Where is the {0}, in meters to the right and ahead of the first camera?",
        "Give right and forward coordinates of the {0}.",
    ),
    "distance": (
        "How far apart are the {0} and the {1} (in meters)?",
        "How many meters lie between the {0} and the {1}?",
        "What is the gap from the {0} to the {1} in meters, between the points where they are closest?",
        "Somebody measures from the {0} to the {1}. What does the tape say (meters)?",
        "Give the distance of the {1} from the {0} in meters.",
        "The {0} and the {1} are some way apart. How far, in meters?",
    ),
    "nearest": (
        "Which object stands nearest to the {0}?",
        "What is nearest to the {0}?",
        "Of the things listed, which one has the smallest distance to the {0}?",
        "Starting at the {0}, which of these do you reach first?",
        "Something of this list is closer to the {0} than all others of it. What?",
    ),
    "direction": (
        "From the {0}, with the {1} straight ahead, where is the {2}?",
        "You are at the {0} and look at the {1}. Where is the {2}?",
        "Somebody stands next to the {0}, turned towards the {1}. On which side is the {2}?",
        "A person at the {0} who looks towards the {1} wants to see the {2}. Which way is it?",
        "Take the {0} as your place and the {1} as what is in front of you. In which direction is the {2}?",
        "With your back at the {0} and your eyes on the {1}, tell where the {2} is.",
    ),
    "letter": (
        "Which option says {0}?",
        "The answer is {0}. Which option is that?",
        "Choose {0}.",
    ),
}
"""Sentences by what they ask for; the numbers stand for names of objects, or for the words of an option."""
HINTS = (
    "Look at all frames before you answer.",
    "Distances are between the closest points.",
    "All angles are as seen from above.",
    "If you are not sure, take the best guess.",
    "What counts is the middle of each object.",
)
"""Sentences that may follow and change nothing."""
HINTED = 0.25
"""Share of the sentences that a hint follows."""


def word(kind: str, names: tuple[str, ...], rng: np.random.Generator) -> str:
    """Draw a sentence.

    Parameters
    ----------
    kind : str
        Key of `WORDINGS`.
    names : tuple of str
    rng : numpy.random.Generator

    Examples
    --------
    >>> word("size", ("bed",), np.random.default_rng(3))
    'How many centimeters is the bed at its longest? Look at all frames before you answer.'
    """
    text = WORDINGS[kind][int(rng.integers(len(WORDINGS[kind])))].format(*names)
    return f"{text} {HINTS[int(rng.integers(len(HINTS)))]}" if rng.random() < HINTED else text
