"""Reinforce the tiny model with the evaluator's own scoring as reward.

uv run python examples/04_grpo_tiny.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import qa_engine
from qa_contract import TABLES, table_metadata, write_table
from qa_trainer import REWARDS, GRPOInputs, GRPOSettings, train_grpo

# A reward is a function over lists; None means that it does not apply.
print(REWARDS["mra"](["9", "about ten"], ground_truth=["10", "10"], options=[None, None]))
print(REWARDS["choice"](["B. bed"], ground_truth=["B"], options=[["A. sofa", "B. bed"]]))

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
store = qa_engine.ingest("rooms", out=folder / "store", scenes=6, frames=2, size=128, seed=7)
qa_engine.observe(store)
qa_engine.sample_frames(store, n=2)
questions = qa_engine.generate(qa_engine.Store(folder / "store"), ["object_counting"], count=6, seed=1)
metadata = table_metadata("questions", "example", {}, seed=1)
write_table(questions, folder / "questions" / "questions.parquet", TABLES["questions"], metadata)

settings = GRPOSettings(
    steps=2, batch_size=2, group_size=4, rewards=["mra"], learning_rate=1e-5, max_completion_length=8, device="cpu"
)
inputs = GRPOInputs(model="tiny", questions=folder / "questions", store=folder / "store")
summary = train_grpo(inputs, settings, folder / "run")
print(f"mean reward {summary.reward_first:.3f} -> {summary.reward_last:.3f} in {summary.seconds:.0f} s")
assert (folder / "run" / "model").is_dir()
