"""The whole loop in small: two rounds, then questions to its tables in SQL.

uv run python examples/05_full_loop.py [FOLDER]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import qa_contract

CONFIG = """
[run]
name = "small"
seed = 3
rounds = 2

[scenes]
dataset = "rooms"
scenes = 24
frames = 2
size = 128
split = "train=0.75,val=0.0,test=0.25"

[frames]
frames = 2

[generate]
tasks = ["object_counting", "room_size_estimation", "object_size_estimation"]

[train]
model = "tiny"
steps = 2
batch_size = 8
learning_rate = 4e-4

[eval]
per_scene = 2
batch_size = 16
runners = ["majority"]
"""

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
(folder / "loop.toml").write_text(CONFIG)
run = folder / "run"
program = Path(sys.executable).with_name("qa-loop")
subprocess.run([program, "run", folder / "loop.toml", "--out", run], check=True)

# Every table of the run is a view; round and stage are columns.
labels = qa_contract.query(run, "select round, label, count(*) n from confidence where phase = 'train' group by all")
print(labels.sort("round", "label"))
print(qa_contract.query(run, qa_contract.QUERIES["score_by_type"].sql))
assert labels["n"].sum() == 2 * 2 * 8
assert (run / "report.html").is_file()
