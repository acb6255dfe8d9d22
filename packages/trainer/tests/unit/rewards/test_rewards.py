"""Rewards that look at more than one completion, and where they do not apply."""

from __future__ import annotations

from qa_trainer.rewards import REWARDS

SIDES = ["A. left", "B. right"]


def test_every_reward_says_where_it_does_not_apply():
    columns = {
        "question_id": ["n", "c"],
        "pair_id": [None, None],
        "ground_truth": ["0", "B"],
        "options": [None, SIDES],
        "cells": [None, '{"bed": [[1, 1]]}'],
        "completion_ids": [[1], [1]],
    }
    found = {name: reward(["0", "B"], **columns) for name, reward in REWARDS.items()}
    assert found["mra"] == [None, None]
    assert found["choice"] == [None, 1.0]
    assert found["confidence"] == [None, 1.0]
    assert found["consistency"] == found["cognitive_map"] == [None, None]
    assert found["format"] == found["length"] == [1.0, 1.0]
