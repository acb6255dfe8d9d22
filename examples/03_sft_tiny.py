"""Fine-tune the tiny model that ships with qa-trainer, and read how sure it was of every answer it was trained on.

uv run python examples/03_sft_tiny.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import qa_engine
from qa_contract import TABLES, table_metadata, write_table
from qa_trainer import SFTInputs, SFTSettings, train_sft

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
store = qa_engine.ingest("rooms", out=folder / "store", scenes=12, frames=2, size=128, seed=7)
qa_engine.observe(store)
qa_engine.sample_frames(store, n=2)
tasks = ["object_counting", "room_size_estimation", "object_size_estimation"]
questions = qa_engine.generate(qa_engine.Store(folder / "store"), tasks, count=32, seed=1)
metadata = table_metadata("questions", "example", {}, seed=1)
write_table(questions, folder / "questions" / "questions.parquet", TABLES["questions"], metadata)

settings = SFTSettings(steps=4, batch_size=8, learning_rate=4e-4, device="cpu")
inputs = SFTInputs(model="tiny", questions=folder / "questions", store=folder / "store")
summary = train_sft(inputs, settings, folder / "run")
print(f"loss {summary.loss[0]:.3f} -> {summary.loss[-1]:.3f}, {summary.predictions} predictions")

# One row per answer, from the same forward pass: the log-probability of every token of the ground truth.
rows = pl.read_parquet(folder / "run" / "predictions.parquet")
for row in rows.head(5).iter_rows(named=True):
    counted = np.array(row["token_logprobs"])[np.array(row["token_mask"])]
    print(f"step {row['step']}  {row['question_type']:24}  {row['completion']:>6}  p = {np.exp(counted.mean()):.3f}")
assert summary.predictions == 32
