"""Each export of `qa-engine` is read by the tool that it is for."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

SCORES = Path(__file__).parents[2] / "packages/contract/tests/golden/answer_scores.jsonl"
# Fields of lmms_eval.api.task.TaskConfig (lmms-eval, July 2025 and later); another key is an error there.
TASK_FIELDS = [
    "task",
    "task_alias",
    "tag",
    "group",
    "group_alias",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "full_docs",
    "process_results_use_image",
    "process_docs",
    "doc_to_visual",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "doc_to_messages",
    "process_results",
    "use_prompt",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "cluster_key",
    "score_key",
    "metadata",
    "lmms_eval_specific_kwargs",
    "model_specific_generation_kwargs",
    "model_specific_target_kwargs",
    "reasoning_tags",
]


def engine(*words: object) -> None:
    code = "from qa_engine.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a store of three rooms and questions about them."""
    folder = tmp_path_factory.mktemp("exports")
    engine(
        "ingest", "rooms", "--out", folder / "store", "--scenes", 3, "--frames-per-scene", 2, "--size", 64, "--seed", 3
    )
    engine("sample-frames", folder / "store", "--frames", 2)
    engine("generate", folder / "store", "--out", folder / "questions", "--count", 24)
    return folder


@pytest.fixture
def exported(made, tmp_path):
    def run(name: str) -> Path:
        engine("export", made / "questions", "--store", made / "store", "--format", name, "--out", tmp_path / name)
        return tmp_path / name

    return run


def test_trl_trains_on_its_rows(exported, made, tmp_path):
    import torch
    from datasets import Image, List, load_dataset
    from qa_trainer.tiny import SHIPPED
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    torch.set_num_threads(1)
    out = exported("trl")
    data = load_dataset("json", data_files=str(out / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache"))
    data = data.map(lambda row: {"images": [str(out / path) for path in row["images"]]})
    data = data.cast_column("images", List(Image()))
    asked = pl.read_parquet(made / "questions/questions.parquet")
    assert [row[0]["content"] for row in data["completion"]] == asked["ground_truth"].to_list()
    options = {"max_length": None, "use_cpu": True, "bf16": False, "report_to": "none", "save_strategy": "no"}
    options |= {"activation_checkpointing": False, "max_steps": 1, "per_device_train_batch_size": 2}
    trainer = SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(SHIPPED["tiny"], dtype=torch.float32),
        args=SFTConfig(output_dir=str(tmp_path / "trained"), **options),
        train_dataset=data,
        processing_class=AutoProcessor.from_pretrained(SHIPPED["tiny"]),
    )
    batch = trainer.data_collator([data[0]])
    assert len(batch["image_grid_thw"]) == 2
    text = trainer.processing_class.tokenizer.decode(batch["input_ids"][0])
    assert text.index("<|image_pad|>") < text.index("These are frames of a video.")
    assert trainer.train().training_loss > 0


def test_datasets_decodes_the_frames_in_the_parquet_file(exported, made, tmp_path):
    from datasets import load_dataset

    out = exported("hf")
    data = load_dataset("parquet", data_files=str(out / "train.parquet"), split="train", cache_dir=str(tmp_path / "c"))
    asked = pl.read_parquet(made / "questions/questions.parquet")
    assert data["id"][:] == asked["question_id"].to_list()
    assert [picture.size for picture in data[5]["images"]] == [(64, 64)] * 2


def test_chat_rows_are_rendered_by_a_chat_template(exported):
    from qa_trainer.tiny import SHIPPED
    from transformers import AutoProcessor
    from transformers.image_utils import load_image

    processor = AutoProcessor.from_pretrained(SHIPPED["tiny"])
    first = json.loads((exported("openai") / "train.jsonl").read_text().splitlines()[0])
    question, answer = first["messages"]
    assert answer["role"] == "assistant"
    content = [
        {"type": "image", "image": load_image(part["image_url"]["url"])} if part["type"] == "image_url" else part
        for part in question["content"]
    ]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert len(inputs["image_grid_thw"]) == 2


def test_the_task_of_lmms_eval_is_one_by_its_schema_and_scores_as_the_benchmark(exported, tmp_path):
    import yaml
    from datasets import load_dataset

    out = exported("lmms-eval")
    spec = importlib.util.spec_from_file_location("exported_utils", out / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)

    class Loader(yaml.SafeLoader):
        """Reads `!function utils.NAME` as lmms-eval does."""

    Loader.add_constructor("!function", lambda loader, node: getattr(utils, node.value.removeprefix("utils.")))
    task = yaml.load((out / "spatial_questions.yaml").read_text(), Loader)
    assert set(task) <= set(TASK_FIELDS)
    data = load_dataset(task["dataset_path"], **task["dataset_kwargs"], cache_dir=str(tmp_path / "cache"))
    rows = list(data[task["test_split"]])
    assert len(rows) == 24
    (metric,) = task["metric_list"]
    assert metric["metric"] in task["process_results"](rows[0], ["2"])
    right = [task["process_results"](row, [row[task["doc_to_target"]]])["score"] for row in rows]
    assert metric["aggregation"](right) == 1
    assert [picture.size for picture in task["doc_to_visual"](rows[0])] == [(64, 64)] * 2
    assert task["doc_to_text"](rows[0]).startswith("These are frames of a video.")
    for line in SCORES.read_text().splitlines():
        row = json.loads(line)
        options = ["A. a", "B. b", "C. c", "D. d"] if row["ground_truth"] in "ABCD" else []
        assert utils.score(row["prediction"], {"answer": row["ground_truth"], "options": options}) == row["score"], row


def answered() -> list[dict]:
    """Answers with the scores that the evaluator gives them."""
    rows = [json.loads(line) for line in SCORES.read_text().splitlines()]
    for row in rows:
        row["options"] = ["A. a", "B. b", "C. c", "D. d"] if row["ground_truth"] in "ABCD" else []
    return rows


def test_verl_loads_the_rows_and_its_reward_is_the_score(exported, made, tmp_path):
    from datasets import load_dataset

    out = exported("verl")
    data = load_dataset("parquet", data_files=str(out / "train.parquet"), split="train", cache_dir=str(tmp_path / "c"))
    asked = pl.read_parquet(made / "questions/questions.parquet")
    assert [row["ground_truth"] for row in data["reward_model"]] == asked["ground_truth"].to_list()
    assert [picture.size for picture in data[5]["images"]] == [(64, 64)] * 2
    reward = runpy.run_path(str(out / "reward.py"))["compute_score"]
    for row in answered():
        assert reward("any", row["prediction"], row["ground_truth"], {"options": row["options"]}) == row["score"], row


def test_reasoning_gym_registers_the_data_set_and_its_score_is_the_score(exported, made, monkeypatch):
    gym = pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    monkeypatch.syspath_prepend(exported("reasoning-gym"))
    importlib.import_module("spatial_questions")
    data = gym.create_dataset("spatial_questions")
    asked = pl.read_parquet(made / "questions/questions.parquet")
    assert [row["answer"] for row in data] == asked["ground_truth"].to_list()
    assert [data.score_answer(row["answer"], row) for row in data] == [1] * 24
    assert all(Path(path).is_file() for path in data[0]["metadata"]["images"])
    shuffled = gym.create_dataset("spatial_questions", seed=1, size=48)
    ids = [row["metadata"]["question_id"] for row in shuffled]
    assert ids[:24] == ids[24:] != asked["question_id"].to_list()
    assert set(ids) == set(asked["question_id"])
    for row in answered():
        entry = {"answer": row["ground_truth"], "metadata": {"options": row["options"]}}
        assert data.score_answer(row["prediction"], entry) == row["score"], row


def test_verifiers_loads_the_environment_and_its_reward_is_the_score(exported, made, monkeypatch):
    vf = pytest.importorskip("verifiers.v1", reason="verifiers is not installed")
    monkeypatch.syspath_prepend(exported("verifiers"))
    monkeypatch.delitem(sys.modules, "spatial_questions", raising=False)
    package = importlib.import_module("spatial_questions")
    env = package.load_environment()
    assert [type(harness).__name__ for harness in env.config.agent_harnesses().values()] == ["NullHarnessConfig"]
    tasks = list(vf.load_taskset(env.config.taskset))
    asked = pl.read_parquet(made / "questions/questions.parquet")
    assert [task.data.answer for task in tasks] == asked["ground_truth"].to_list()
    assert [part.type for part in tasks[0].data.prompt[0].content] == ["image_url", "image_url", "text"]
    for row in answered():
        task = tasks[0].with_data(answer=row["ground_truth"], options=row["options"])
        (reward,) = task.hooks("reward")
        trace = SimpleNamespace(assistant_messages=[SimpleNamespace(content=row["prediction"])])
        assert asyncio.run(reward(trace=trace)) == row["score"], row
