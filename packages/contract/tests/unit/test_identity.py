import math
from pathlib import Path

import pytest
from qa_contract.errors import UserError
from qa_contract.identity import config_hash, differing_keys, refuse_other_identity


def test_the_hash_is_the_one_that_stored_runs_carry():
    assert config_hash({"a": 1, "b": [Path("x"), None, 0.5]}) == "7ea1787e91f0e374"


def test_nested_keys_are_named_with_both_values():
    old = {"train": {"steps": 20, "lora": None}, "eval": {"seed": 0}, "gone": 1}
    new = {"train": {"steps": 30, "lora": {"rank": 8}}, "eval": {"seed": 0}}
    assert differing_keys(old, new) == [
        "gone: 1 -> None",
        "train.lora: None -> {'rank': 8}",
        "train.steps: 20 -> 30",
    ]


def test_what_a_file_changes_in_a_value_is_no_difference():
    assert differing_keys({"a": [1, 2], "p": "x", "n": math.nan}, {"a": (1, 2), "p": Path("x"), "n": math.nan}) == []


def test_a_switch_is_not_a_number():
    assert differing_keys({"a": 1}, {"a": True}) == ["a: 1 -> True"]


def test_long_values_are_cut():
    (line,) = differing_keys({"videos": {"a": "0" * 100}}, {"videos": "1" * 100})
    assert len(line) < 150


def test_a_run_of_the_same_configuration_goes_on():
    refuse_other_identity(Path("out"), {"seed": 1, "size": [2]}, {"seed": 1, "size": (2,)})


def test_an_unreadable_configuration_is_another_one():
    class PackageError(UserError):
        pass

    with pytest.raises(PackageError, match="not readable"):
        refuse_other_identity(Path("out"), None, {"seed": 1}, error=PackageError)
