"""Traces that begin with a cognitive map: where the objects stand on a grid, as VSI-Bench has models draw it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from qa_contract.prompts import reasoned

from qa_engine.arrays import Array
from qa_engine.facts.scene import Facts
from qa_engine.facts.structures import CELLS, grid_cells
from qa_engine.scenes.structure import is_structure
from qa_engine.traces.sentences import told
from qa_engine.traces.steps import trace_of


@dataclass(frozen=True)
class CognitiveMap:
    """Objects on a grid of `CELLS` by `CELLS` cells seen from above.

    Attributes
    ----------
    cells : dict of str to list of (int, int)
        Category to the cells of its objects: column from the left, row from the bottom, from 0.
    cell_m : float
        Side of a cell, metres.
    from_camera : bool
        Up on the map is where the first frame looks; else it is the scene's y axis.
    """

    cells: dict[str, list[list[int]]]
    cell_m: float
    from_camera: bool

    def text(self) -> str:
        """Write the map: a line of explanation, and the cells as JSON."""
        up = "the camera looks up in the first frame" if self.from_camera else "the scene's y axis points up"
        head = f"Seen from above, {CELLS} x {CELLS} cells of {self.cell_m:.1f} m, [column, row] from the lower left; "
        return f"{head}{up}.\n{json.dumps(self.cells, ensure_ascii=False)}"


def cognitive_map(facts: Facts, frame_set_id: str | None = None, frame_id: str | None = None) -> CognitiveMap:
    """Draw the map of a scene.

    Parameters
    ----------
    facts : Facts
    frame_set_id : str, optional
        Only what these frames show stands on it, where that is known.
    frame_id : str, optional
        The first frame, in whose direction of view up is, where its camera is known.

    Examples
    --------
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "chair", "bed"]),
    ...               size=np.ones((3, 3)), center=np.array([[0, 0, 0.5], [9.0, 0, 0.5], [9, 4.5, 0.5]]),
    ...               rotation=np.array([np.eye(3)] * 3))
    >>> drawn = cognitive_map(Facts(scene))
    >>> drawn.cells, round(drawn.cell_m, 2)
    ({'bed': [[9, 7]], 'chair': [[0, 2], [9, 2]]}, 1.0)
    """
    shown = ~is_structure(facts.categories)[facts.code]
    evidence = facts.evidence(frame_set_id) if frame_set_id else None
    if evidence is not None:
        shown = shown & evidence.seen
    ahead = _ahead(facts, frame_id)
    up = np.array([0.0, 1.0]) if ahead is None else ahead
    cell, cell_m = grid_cells(facts.scene.center[shown][:, :2], up)
    cells: dict[str, list[list[int]]] = {}
    names = facts.scene.category[shown].tolist()
    for name, place in sorted(zip(names, cell.tolist(), strict=True)):
        cells.setdefault(name, []).append(place)
    return CognitiveMap(cells, cell_m, ahead is not None)


def _ahead(facts: Facts, frame_id: str | None) -> Array | None:
    """Direction of a frame's view on the floor plan, (2,), of length 1; None where it looks straight up or down."""
    if facts.recording is None or frame_id is None or frame_id not in facts.recording.place_of:
        return None
    view = facts.recording.world_from_camera[facts.recording.place_of[frame_id], :2, 2]
    length = float(np.linalg.norm(view))
    return view / length if length > 1e-3 else None


def map_turns(question: Mapping[str, Any], facts: Facts) -> list[dict[str, Any]]:
    """Answer with the map, then the steps in sentences, then the answer: one message of the assistant.

    Raises
    ------
    TraceError
        The program does not give the question's answer.
    """
    frames = question.get("frame_ids") or [None]
    drawn = cognitive_map(facts, question["frame_set_id"], frames[0])
    thought = [drawn.text(), *told(question, trace_of(question, facts), facts)]
    return [{"role": "assistant", "content": reasoned("\n".join(thought), question["ground_truth"])}]
