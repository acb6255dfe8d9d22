"""A package that verifiers loads as an environment, with the questions and frames inside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qa_engine.exports.lines import IMAGES, join_as

PACKAGE = "spatial_questions"
PYPROJECT = """\
[project]
name = "spatial-questions"
version = "0.1.0"
description = "Questions about space with exact scores, an environment of verifiers"
requires-python = ">=3.11"
dependencies = ["qa-contract", "verifiers>=0.4"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["spatial_questions"]
"""
MODULE = '''\
"""Spatial questions as an environment of verifiers: vf-eval spatial-questions, or load_environment() from Python.

Scores are those of qa-eval and need qa-contract.
"""

import base64
import json
from pathlib import Path

import verifiers.v1 as vf
from qa_contract.scoring import score_answer
from verifiers.v1.harnesses.null import NullHarness

HERE = Path(__file__).resolve().parent


class SpatialData(vf.TaskData):
    """A question with its frames; an answer without options is a number."""

    scene_name: str
    question_type: str
    options: list[str]
    answer: str


class SpatialTask(vf.Task[SpatialData]):
    @property
    def key(self):
        return self.data.id

    @vf.reward(weight=1.0)
    async def exact_score(self, trace: vf.Trace) -> float:
        said = trace.assistant_messages  # not last_reply, which is stripped: white space before an answer counts
        return score_answer((said and said[-1].content) or "", self.data.answer, self.data.options)


class SpatialTaskset(vf.Taskset[SpatialTask, vf.TasksetConfig]):
    def load(self):
        with (HERE / "questions.jsonl").open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                content = [{"type": "image_url", "image_url": {"url": data_url(path)}} for path in row.pop("images")]
                content.append({"type": "text", "text": row.pop("text")})
                data = SpatialData(prompt=[{"role": "user", "content": content}], **row)
                yield SpatialTask(data, self.config.task)


def data_url(path):
    kind = {".png": "png", ".webp": "webp"}.get(Path(path).suffix.lower(), "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode((HERE / path).read_bytes()).decode()}"


def load_environment(**env):
    """Build the environment; options as under [env] in a configuration of verifiers."""
    return vf.load_environment(vf.resolve_env_config({"taskset": {"id": "spatial_questions"}} | env))


# A model is asked once, without tools: the taskset brings the harness that does that.
__all__ = ["NullHarness", "SpatialTaskset", "load_environment"]
'''


def join_verifiers(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Write `pyproject.toml` and the package with `questions.jsonl` and the frames."""
    package = folder / PACKAGE
    package.mkdir()
    join_as(package / "questions.jsonl", parts)
    if (folder / IMAGES).exists():
        (folder / IMAGES).rename(package / IMAGES)  # what is not inside the package is not installed with it
    (package / "__init__.py").write_text(MODULE, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
