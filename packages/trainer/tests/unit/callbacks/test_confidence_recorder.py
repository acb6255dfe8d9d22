from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from qa_trainer.callbacks.confidence_recorder import RECORD, ConfidenceRecorder


class Tokenizer:
    """Token 0 is special, token 1 is white space, the others are digits."""

    all_special_ids = (0,)

    def decode(self, ids):
        return {0: "<|im_end|>", 1: "\n"}.get(ids[0], str(ids[0]))


class Model(torch.nn.Module):
    """Answers like a model with TRL's fused head."""

    def forward(self, logprobs, shift_labels):
        mask = shift_labels != -100
        return SimpleNamespace(
            log_probs=logprobs * mask, label_mask=mask, is_top1=mask & (logprobs > -1), entropy=-logprobs * mask
        )


@pytest.fixture
def recorded():
    recorder, model = ConfidenceRecorder(Tokenizer()), Model()
    recorder.attach(model)

    def forward(rows, step, labels, logprobs):
        recorder.expect(torch.tensor(rows), step)
        model(logprobs=torch.tensor(logprobs), shift_labels=torch.tensor(labels))

    # Two micro-batches of step 3, padded to different widths.
    forward([7, 8], 3, [[-100, 6, 0], [9, 1, -100]], [[-9.0, -0.5, -2.0], [-0.25, -3.0, -9.0]])
    forward([9], 3, [[-100, 4]], [[-9.0, -0.75]])
    forward([10], 4, [[-100, 4]], [[-9.0, float("nan")]])
    model(logprobs=torch.zeros(1, 2), shift_labels=torch.tensor([[6, 7]]))
    recorder.detach()
    recorder.expect(torch.tensor([11]), 5)
    model(logprobs=torch.zeros(1, 2), shift_labels=torch.tensor([[6, 7]]))
    return recorder


def test_only_announced_rows_and_labelled_tokens_are_recorded(recorded):
    frame = recorded.frame()
    assert dict(frame.schema) == RECORD
    assert frame["row"].to_list() == [7, 8, 9, 10]
    assert frame["step"].to_list() == [3, 3, 3, 4]
    assert frame["token_ids"].to_list() == [[6, 0], [9, 1], [4], [4]]
    assert frame["token_logprobs"].to_list()[:3] == [[-0.5, -2.0], [-0.25, -3.0], [-0.75]]
    assert frame["token_is_top1"].to_list()[:3] == [[True, False], [True, False], [True]]
    assert frame["token_entropy"].to_list()[:3] == [[0.5, 2.0], [0.25, 3.0], [0.75]]


def test_end_tokens_and_white_space_do_not_count(recorded):
    assert recorded.frame()["token_mask"].to_list() == [[True, False], [True, False], [True], [True]]


def test_loss_and_bad_rows_of_a_step(recorded):
    logprob, tokens, rows = recorded.totals(3)
    assert (-logprob, tokens, rows) == (pytest.approx(0.5 + 2 + 0.25 + 3 + 0.75), 5, 3)
    assert recorded.not_finite(3).tolist() == []
    assert recorded.not_finite(4).tolist() == [10]
    assert np.array_equal(recorded.rows_of(3), [7, 8, 9])


def test_what_was_drained_is_not_given_again(recorded):
    assert len(recorded.drain()) == 4
    assert recorded.drain().is_empty()


def test_nothing_recorded_is_an_empty_table():
    assert dict(ConfidenceRecorder(Tokenizer()).frame().schema) == RECORD
