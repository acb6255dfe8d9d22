"""The names that the package exports."""

from __future__ import annotations

import subprocess
import sys

import pytest
import qa_trainer


def test_every_public_name_is_found_and_listed():
    assert set(qa_trainer.__all__) == set(qa_trainer._OWNER) <= set(dir(qa_trainer))
    for name in qa_trainer.__all__:
        assert getattr(qa_trainer, name).__doc__, name
    with pytest.raises(AttributeError, match="train_stf"):
        _ = qa_trainer.train_stf


def test_the_package_and_its_settings_need_no_torch():
    code = "import sys, qa_trainer; qa_trainer.SFTSettings(); qa_trainer.REWARDS; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
