"""Errors of qa_trainer, and the closed list of reasons for which a question is not trained on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QATrainerError(Exception):
    """A request that cannot be served; the message says what was asked, what was found and what to do."""


REASONS: dict[str, str] = {
    "no_question": "the row has no question_id or no question text",
    "duplicate_question": "an earlier row has the same question_id",
    "no_ground_truth": "there is no answer to train on",
    "unknown_prompt": "prompt_id names no known prompt",
    "special_token": "the text contains a control token such as <|image_pad|>",
    "missing_frame_set": "the store has no frame set of that id for the scene",
    "missing_frame": "a frame of the frame set is not in the store",
    "unreadable_frame": "a frame is not a readable image",
    "frame_outside_store": "the path of a frame leads out of the store",
    "bad_conversation": "a row of general data is not a conversation that ends with an answer",
    "image_count": "a conversation has another number of places than of images",
    "unreadable_video": "a video cannot be decoded, or its frames have no times",
    "too_few_frames": "a video has fewer frames than are to be chosen",
    "mixed_frame_sizes": "the frames of a folder differ in size",
}
"""Reason code to its meaning; rejects of this package use no other code."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> QATrainerError:
    """Build the error for a name that is not known, with the nearest valid one.

    Examples
    --------
    >>> str(unknown_name("setting", "stepz", ["steps", "seed"]))
    "Unknown setting 'stepz'. Did you mean 'steps'? Valid: seed, steps."
    """
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return QATrainerError(f"Unknown {kind} '{name}'.{hint} Valid: {', '.join(names)}.")
