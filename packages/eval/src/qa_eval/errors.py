"""Errors of qa_eval, and the closed list of reasons for which a row stays without a score."""

from __future__ import annotations

from functools import partial

from qa_contract.errors import UserError, unknown_name


class QAEvalError(UserError):
    """A request that cannot be served; the message says what was asked, what was found and what to do."""


__all__ = ["REASONS", "QAEvalError", "unknown_name"]

REASONS: dict[str, str] = {
    "no_prediction": "the question has no stored prediction",
    "no_ground_truth": "the row has no usable ground truth",
    "zero_ground_truth": "the relative error of a ground truth of 0 is undefined",
    "unknown_question_type": "the benchmark has no such question type",
    "unknown_question": "the prediction belongs to no question",
    "missing_frame_set": "the store has no frame set of that id for the scene",
    "missing_frame": "a frame of the frame set is not in the store, or a picture of the question is not there",
    "frame_outside_store": "the path of a frame leads out of the store",
    "unreadable_frame": "a frame is not a readable image",
    "missing_features": "there are no features of the frames' scene",
    "other_features": "the features are of other frames or images, or damaged",
    "no_video": "the frames have no growing times, or there is one only",
    "missing_video": "the folder of videos has no file of the scene",
    "unreadable_video": "the file is no video that can be decoded",
    "missing_answer": "the answers hold no answer to the question",
    "no_baseline": "the reference questions hold no question of the type",
    "server_error": "the server gave no answer after all retries",
    "generation_failed": "the model could not be run on the question",
}
"""Reason code to its meaning; scores and reject rows use no other code."""


unknown_name = partial(unknown_name, error=QAEvalError)
