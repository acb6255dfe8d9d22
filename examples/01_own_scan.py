"""A scan of one's own: a file of boxes becomes questions, without frames.

uv run python examples/01_own_scan.py [FOLDER]
"""

import json
import sys
import tempfile
from pathlib import Path

import qa_engine

folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())

# Metres, Z up, full lengths; yaw in radians about the up axis. docs/own_scans.md has all that can stand here.
boxes = [
    {"label": "table", "center": [2.5, 1.0, 0.37], "size": [1.6, 0.9, 0.74]},
    {"label": "chair", "center": [2.2, 2.0, 0.45], "size": [0.5, 0.5, 0.9], "yaw": 0.3},
    {"label": "chair", "center": [3.0, 0.1, 0.45], "size": [0.5, 0.5, 0.9], "yaw": -0.2},
    {"label": "sofa", "center": [0.6, 3.2, 0.4], "size": [0.9, 2.0, 0.8]},
    {"label": "lamp", "center": [4.6, 3.6, 0.8], "size": [0.4, 0.4, 1.6]},
]
scan = folder / "scans" / "living_room"
scan.mkdir(parents=True)
(scan / "boxes.json").write_text(json.dumps(boxes))

store = qa_engine.ingest("generic", scan.parent, out=folder / "store")
questions = qa_engine.generate(store, seed=1)
for (kind,), asked in questions.group_by("question_type", maintain_order=True):
    print(f"{kind}: {len(asked)}, such as: {asked['question'][0]} {asked['ground_truth'][0]}")

# One number by hand: the gap between table and sofa along x is (2.5 - 0.8) - (0.6 + 0.45), along y (2.2 - 1.45).
facts = qa_engine.Facts(store.load_scene("living_room"))
distance = qa_engine.run_program("distance_m(0, 3)", facts).value
print(f"table to sofa: {distance:.3f} m")
assert abs(distance - (0.65**2 + 0.75**2) ** 0.5) < 1e-9
