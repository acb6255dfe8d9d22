"""The probe reads what features hold, and says where what is missing gets lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

SCENES, FRAMES, SIDE_PX = 30, 2, 64


@pytest.fixture(scope="module")
def probed(make, tmp_path_factory):
    """Rooms with one or two coloured squares each: red ones are chairs, green ones lamps."""
    folder = tmp_path_factory.mktemp("probed")
    rng = np.random.default_rng(2)
    scenes, objects, frames, seen = [], [], [], []
    for number in range(SCENES):
        scene = f"room_{number:02d}"
        scenes.append({"scene_name": scene, "room_size_m2": 12.0})
        kinds = rng.integers(0, 2, int(rng.integers(1, 3)))
        cells = rng.permutation(4)[: len(kinds)]
        for item, (kind, cell) in enumerate(zip(kinds, cells, strict=True)):
            box = {
                "center": [float(cell) - 1.5, 3.0, 0.5],
                "size": [1.0, 1.0, 1.0],
                "rotation": np.eye(3).ravel().tolist(),
            }
            name = ("chair", "lamp")[kind]
            objects.append({"scene_name": scene, "instance_id": item, "category": name, **box})
        for index in range(FRAMES):
            pixels = np.full((SIDE_PX, SIDE_PX, 3), 128, np.uint8)
            for item, (kind, cell) in enumerate(zip(kinds, cells, strict=True)):
                x = 16 * int(cell)
                pixels[16:32, x : x + 16] = ((200, 30, 30), (30, 200, 30))[kind]
                row = {"scene_name": scene, "frame_id": f"f{index}", "instance_id": item}
                seen.append(
                    {**row, "visible_px": 256, "visible_fraction": 1.0, "box_2d": [float(x), 16.0, x + 16.0, 32.0]}
                )
            path = f"{scene}_{index}.png"
            Image.fromarray(pixels).save(folder / path)
            pose = [1.0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 1.6, 0, 0, 0, 1]
            frame = {"scene_name": scene, "frame_id": f"f{index}", "image_path": path, "world_from_camera": pose}
            frames.append({**frame, "width": SIDE_PX, "height": SIDE_PX})
    for table, rows in (("scenes", scenes), ("objects", objects), ("frames", frames), ("observations", seen)):
        make.write(rows, folder, table)
    return folder


def test_what_the_pixels_hold_is_read_off_them(command, probed, tiny_model, tmp_path):
    out = tmp_path / "probe"
    ended = command("probe", probed, "--model", tiny_model, "--out", out, "--heldout", 0.3, "--json")
    assert ended.code == 0, ended.stderr
    result = json.loads(ended.stdout)
    figures = {(row["level"], row["target"]): row for row in result["figures"]}
    assert result["heldout_scenes"] == 9
    assert result["tokens_per_frame"] == 16
    category, place = figures["token", "category"], figures["token", "place"]
    assert category["pixels"] == 1.0
    assert category["constant"] < 0.9
    assert place["pixels"] < 0.1 < place["constant"]
    assert len(result["verdict"]) == len(result["figures"])
    assert json.loads((out / "probe.json").read_text())["figures"] == result["figures"]
    assert "| token | category |" in (out / "probe.md").read_text()
    again = command("probe", probed, "--model", tiny_model, "--out", tmp_path / "again", "--heldout", 0.3)
    assert again.stdout == (out / "probe.md").read_text()
    assert (tmp_path / "again/probe.json").read_bytes() == (out / "probe.json").read_bytes()


def test_the_verdict_names_what_loses_a_thing():
    from qa_trainer.probe.run import Figure, verdict

    def figure(eye, language):
        return Figure("token", "place", "m", "lower", 10, constant=2.0, pixels=1.6, eye=eye, language=language)

    assert "the language model loses it" in verdict([figure(0.2, 1.5)])[0]
    assert "not to be read off either" in verdict([figure(1.5, 1.6)])[0]
    assert "both hold it" in verdict([figure(0.2, 0.2)])[0]
    assert "makes it from what the eye gives" in verdict([figure(1.5, 0.2)])[0]


def test_too_few_scenes_are_refused(command, probed, tiny_model, tmp_path):
    ended = command("probe", probed, "--model", tiny_model, "--out", tmp_path / "out", "--frames", 3)
    assert ended.code == 2
    assert "at least 10" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_ridge_takes_more_features_than_rows_and_fewer():
    from qa_trainer.probe.ridge import ridge

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(60, 2))
    for rows in (40, 400):
        low = rng.normal(size=(rows + 50, 6)) @ rng.normal(size=(6, 60))
        found = ridge(low[:rows], low[:rows] @ weights + 3, low[rows:])
        assert np.abs(found - (low[rows:] @ weights + 3)).max() < 0.1 * (low @ weights).std()
