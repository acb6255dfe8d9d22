import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from qa_engine.cli import app
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import Store
from qa_engine.show.gallery import write_gallery
from qa_engine.show.overlays import boxes_svg, plan_svg
from qa_engine.show.selection import Shown
from qa_engine.views.frame_sets import sample_frames
from qa_engine.views.observations import observe
from typer.testing import CliRunner


class Page(HTMLParser):
    """Collects tags and text; complains of tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words, self.ids = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [values[key] for key in ("href", "src") if key in values]
        self.ids += [values["data-id"]] if "data-id" in values else []

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=4, scenes=3, frames=4, size=48))
    observe(Store(out))
    sample_frames(Store(out), n=2)
    return out


def test_pages_show_plan_frames_and_questions_and_link_only_to_their_own_files(store, tmp_path):
    questions, out = tmp_path / "questions", tmp_path / "pages"
    result = CliRunner().invoke(app, ["generate", str(store), "--out", str(questions), "--per-scene", "5"])
    assert result.exit_code == 0, result.stderr
    command = ["view", str(store), "--questions", str(questions), "--frame-set", "uniform-2", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert "3 scenes, 6 frames, 15 questions" in result.stderr
    names = Store(store).scene_names()
    for name in names:
        page = Page((out / f"{name}.html").read_text())
        scene = Store(store).load_scene(name)
        assert page.tags.count("img") == page.tags.count("figure") == 2
        assert page.tags.count("tr") == 6
        assert set(page.ids) == {str(number) for number in scene.instance_id}
        assert set(scene.category.tolist()) <= set(page.words)
    for path in out.glob("*.html"):
        for link in Page(path.read_text()).links:
            assert (out / unquote(link)).is_file(), link
    assert "--force" in str(CliRunner().invoke(app, command).exception)


def test_boxes_are_drawn_where_the_instance_image_has_the_object(store):
    scene_name = Store(store).scene_names()[0]
    scene, frames = Store(store).load_scene(scene_name), Store(store).frames(scene_name)
    from qa_engine.views.observations import observe_frame

    views = observe_frame(scene, frames[1])
    whole = [k for k, cut in enumerate(views.truncated) if not cut and views.visible_fraction[k] > 0.99]
    assert whole
    for k in whole:
        number = int(scene.instance_id[views.row[k]])
        path = re.search(r' d="([^"]+)"', boxes_svg(scene, frames[1], {number}))[1]
        ends = np.array(re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path), dtype=float)
        outline = np.concatenate([ends.min(axis=0), ends.max(axis=0)])
        seen = views.box_2d[k] - [0, 0, 1, 1]  # centres of the first and last pixel
        assert np.abs(outline - seen).max() <= 1.0


def test_hostile_names_are_text_not_markup():
    name = '<script>alert("x")</script>'
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array([name]),
        center=np.zeros((1, 3)),
        size=np.ones((1, 3)),
        rotation=np.eye(3)[None],
    )
    assert "<script" not in plan_svg(scene)
    assert "&lt;script&gt;" in plan_svg(scene)


def test_floors_are_outlines_and_labels_stand_apart():
    center = np.array([[2.0, 2, 0], [1, 1, 0.4], [1, 1, 0.9]])
    size = np.array([[4.0, 4, 0.1], [1, 1, 0.8], [1, 1, 0.2]])
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["floor", "table", "monitor"]),
        center=center,
        size=size,
        rotation=np.stack([np.eye(3)] * 3),
    )
    plan = plan_svg(scene)
    assert re.findall(r'class="(object[^"]*)" data-id="(\d)"', plan) == [
        ("object shell", "0"),
        ("object", "1"),
        ("object", "2"),
    ]
    places = {word: (float(x), float(y)) for x, y, word in re.findall(r'<text x="([\d.]+)" y="([\d.]+)">(\w+)<', plan)}
    assert places["table"][0] == places["monitor"][0]
    assert abs(places["table"][1] - places["monitor"][1]) >= 11.9


def test_a_box_around_the_camera_and_one_behind_it_are_cut_not_wrapped():
    pose = np.eye(4)
    frame = Frame(
        frame_id="0", rgb=np.zeros((10, 10, 3), np.uint8), intrinsics=np.diag([5.0, 5, 1]), world_from_camera=pose
    )
    center = np.array([[0.0, 0, 0], [0, 0, -5]])
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["tent", "wall"]),
        center=center,
        size=np.full((2, 3), 2.0),
        rotation=np.stack([np.eye(3)] * 2),
    )
    drawing = boxes_svg(scene, frame, {0, 1})
    assert re.findall(r'data-id="(\d)"', drawing) == ["0"]


def test_scenes_without_frames_and_unknown_names(write_vsi, vsi_entry, tmp_path):
    ingest(get_dataset("vsi-bench"), write_vsi({"a b&c": vsi_entry}), out=tmp_path / "s", options=IngestOptions())
    store = Store(tmp_path / "s")
    assert write_gallery(Shown(store), tmp_path / "out").n_scenes == 1
    assert (tmp_path / "out" / unquote(Page((tmp_path / "out" / "index.html").read_text()).links[0])).is_file()
    with pytest.raises(QAEngineError, match="Unknown scene"):
        write_gallery(Shown(store, scenes=["x"]), tmp_path / "other")
    with pytest.raises(QAEngineError, match="Unknown frame set"):
        write_gallery(Shown(store, frame_set="uniform-3"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to open the pages with")
def test_pages_open_in_a_browser(store, tmp_path):
    from PIL import Image

    write_gallery(Shown(Store(store)), tmp_path / "out")
    page = tmp_path / "out" / f"{Store(store).scene_names()[0]}.html"
    picture = tmp_path / "page.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1000,1400", f"--screenshot={picture}"]
    subprocess.run([shutil.which("chromium"), *flags, page.as_uri()], check=True, capture_output=True, timeout=60)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500  # frames and drawings, not an empty page
