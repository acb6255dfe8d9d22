"""Furnished rooms, questions about them, and every answer computed a second time.

uv run python examples/00_rooms.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import qa_engine

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())

# Rooms are made from the seed: boxes, frames with depth, camera poses.
store = qa_engine.ingest("rooms", out=folder / "store", scenes=3, frames=4, size=96, seed=7)

# What each frame shows, and the frames that a model will see; questions are then asked about what these show.
qa_engine.observe(store)
qa_engine.sample_frames(store, n=4)
store = qa_engine.Store(folder / "store")

questions = qa_engine.generate(store, count=12, seed=1)
for row in questions.select("question", "options", "ground_truth", "unit", "program").head(4).iter_rows(named=True):
    print(row["question"])
    print(f"  {row['options'] or ''} -> {row['ground_truth']} {row['unit'] or ''}   by {row['program']}")

# Every program is run again against the scene; nothing may differ.
differences = qa_engine.verify(store, questions)
print(f"{len(questions)} questions, {len(differences)} differences")
assert not differences
