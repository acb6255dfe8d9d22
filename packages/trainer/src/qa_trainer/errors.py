"""Errors of qa_trainer, and the closed list of reasons for which a question is not trained on."""

from __future__ import annotations

from functools import partial

from qa_contract.errors import UserError
from qa_contract.errors import unknown_name as _unknown_name


class QATrainerError(UserError):
    """A request that cannot be served; the message says what was asked, what was found and what to do."""


unknown_name = partial(_unknown_name, error=QATrainerError)
"""Builds the error for a name that is not known, with the nearest valid one."""

REASONS: dict[str, str] = {
    "no_question": "the row has no question_id or no question text",
    "duplicate_question": "an earlier row has the same question_id",
    "no_ground_truth": "there is no answer to train on",
    "unknown_prompt": "prompt_id names no known prompt",
    "marks_not_drawn": "the question names a drawn mark; 'qa-engine export' draws it on the frames",
    "special_token": "the text contains a control token such as <|image_pad|>",
    "too_long": "frames, text and answer have more tokens than the model has positions",
    "missing_frame_set": "the store has no frame set of that id for the scene",
    "missing_frame": "a frame of the frame set is not in the store",
    "unreadable_frame": "a frame is not a readable image",
    "frame_outside_store": "the path of a frame leads out of the store",
    "no_video": "the frames have no growing times, or there is one only",
    "missing_features": "there are no features of the frames' scene",
    "other_features": "the features are of other frames or images, or damaged",
    "bad_conversation": "a row of general data is not a conversation that ends with an answer",
    "image_count": "a conversation has another number of places than of images",
    "unreadable_video": "a video cannot be decoded, or its frames have no times",
    "too_few_frames": "a video has fewer frames than are to be chosen",
    "mixed_frame_sizes": "the frames of a folder differ in size",
}
"""Reason code to its meaning; rejects of this package use no other code."""
