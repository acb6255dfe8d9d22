"""The pages of a store."""

import time
from html.parser import HTMLParser
from urllib.parse import unquote

import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import QUESTIONS
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.show.gallery import write_gallery
from qa_engine.show.rerun import write_recording
from qa_engine.show.selection import Shown

NASTY = "a b&c<script>"
LIT = "[...document.querySelectorAll('svg.plan.dim .object.on')].map(o => o.dataset.id)"


class Tags(HTMLParser):
    """Collects tags, links and words."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.links, self.words, self.ids = [], [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [v for k in ("href", "src") if (v := values.get(k)) and not v.startswith(("#", "data:"))]
        if "data-id" in values:
            self.ids.add(values["data-id"])

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture(scope="module")
def pages(rooms, room_questions, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "out"
    write_gallery(Shown(Store(rooms), questions=room_questions, frame_set="uniform-2"), out)
    return out


@pytest.fixture
def nasty(write_vsi, vsi_entry, make_box, tmp_path):
    """A scene and a category whose names are markup."""
    bad = '<script>alert("x")</script>'
    entry = vsi_entry | {
        "object_bbox": vsi_entry["object_bbox"] | {bad: [make_box((1, 2, 1))]},
        "object_counts": vsi_entry["object_counts"] | {bad: 1},
    }
    ingest(get_dataset("vsi-bench"), write_vsi({NASTY: entry}), out=tmp_path / "s", options=IngestOptions())
    return tmp_path / "s"


def test_pages_show_plan_frames_and_questions_and_link_only_to_their_own_files(
    rooms, room_questions, tmp_path, call, capsys
):
    out = tmp_path / "pages"
    words = ("view", rooms, "--questions", room_questions, "--frame-set", "uniform-2", "--out", out)
    assert call(*words) == 0
    assert "3 scenes (6 frames; 15 questions)" in capsys.readouterr().err
    for name in Store(rooms).scene_names():
        page, scene = Tags(out / "scenes" / f"{name}.html"), Store(rooms).load_scene(name)
        assert page.tags.count("img") == 2
        assert page.tags.count("article") == 5
        assert page.ids == {str(number) for number in scene.instance_id}
        assert set(scene.category.tolist()) <= set(page.words)
    files = [*out.glob("*.html"), *out.glob("scenes/*.html")]
    assert len(files) == 4
    for path in files:
        for link in Tags(path).links:
            assert (path.parent / unquote(link)).resolve().is_relative_to(out.resolve())
            assert (path.parent / unquote(link)).is_file(), link
    assert call(*words) == 2
    assert "--force" in capsys.readouterr().err


def test_names_are_text_not_markup(nasty, tmp_path, open_page):
    assert write_gallery(Shown(Store(nasty)), tmp_path / "out").n_scenes == 1
    page = open_page(tmp_path / "out/index.html")
    assert page.js("document.scripts.length") == 2  # those of the kit
    page.follow(".tiles a")
    assert page.js("document.querySelector('h1').textContent") == NASTY
    assert page.js("document.scripts.length") == 2
    assert "alert" in page.js("document.querySelector('table').innerText")
    page.check()


def test_a_scene_may_be_called_like_the_index(write_vsi, vsi_entry, tmp_path):
    ingest(get_dataset("vsi-bench"), write_vsi({"index": vsi_entry}), out=tmp_path / "s", options=IngestOptions())
    write_gallery(Shown(Store(tmp_path / "s")), tmp_path / "out")
    assert Tags(tmp_path / "out/index.html").links == ["scenes/index.html"]
    assert "sofa" in Tags(tmp_path / "out/scenes/index.html").words


def test_unknown_names_are_refused(rooms, tmp_path):
    for asked, message in (({"scenes": ["x"]}, "Unknown scene"), ({"frame_set": "uniform-3"}, "Unknown frame set")):
        with pytest.raises(QAEngineError, match=message):
            Shown(Store(rooms), **asked)


@pytest.mark.parametrize("write", [write_gallery, write_recording])
def test_links_out_of_the_store_are_refused(tmp_path, write):
    if write is write_recording:
        pytest.importorskip("rerun")
    store, secret = tmp_path / "store", tmp_path / "secret"
    ingest(get_dataset("rooms"), None, out=store, options=IngestOptions(seed=4, scenes=1, frames=2, size=48))
    first, second = sorted(store.glob("frames/*/*.png"))
    second.unlink()
    second.symlink_to(first)  # a link inside the store is no way out
    assert write(Shown(Store(store)), tmp_path / "inside").n_frames == 2
    secret.write_bytes(first.read_bytes())
    first.unlink()
    first.symlink_to(secret)
    with pytest.raises(FileError, match="leads out of the folder"):
        write(Shown(Store(store)), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["inside", "secret", "store"]


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_the_window(open_page, pages, width, dark):
    for path in (pages / "index.html", sorted(pages.glob("scenes/*.html"))[0]):
        page = open_page(path, width=width, dark=dark)
        page.js("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); }))")
        assert page.js("[...document.images].every(i => i.naturalWidth === 48)")
        page.check()


def test_questions_light_up_their_operands_and_can_be_filtered(open_page, pages):
    page = open_page(sorted(pages.glob("scenes/*.html"))[0])
    card = "[...document.querySelectorAll('.card')].find(c => c.dataset.ids)"
    page.js(f"{card}.id = 'mine'")
    ids = page.js(f"{card}.dataset.ids.split(' ')")
    page.hover("#mine")
    assert set(page.js(LIT)) == set(ids)
    page.press("j")  # keys walk the cards, and light up what they ask about
    assert page.js("document.activeElement.matches('.card')")
    assert page.js(LIT)
    kind = page.js("document.querySelector('select[name=type]').options[1].value.slice(1)")
    page.js(
        "const s = document.querySelector('select[name=type]'); s.selectedIndex = 1;"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    shown = "[...document.querySelectorAll('.card')].filter(c => !c.hidden).map(c => JSON.parse(c.dataset.tags).type)"
    assert set(page.js(shown)) == {kind}
    page.check()


def test_frames_open_large_with_their_boxes(open_page, pages):
    page = open_page(sorted(pages.glob("scenes/*.html"))[0])
    page.js("document.querySelector('button.enlarge').focus()")
    page.press("Enter")
    assert page.js("document.querySelector('dialog').open")
    assert page.js("document.querySelectorAll('dialog svg.overlay .object').length") > 0
    page.press("Escape")
    assert not page.js("document.querySelector('dialog').open")
    page.check()


def test_the_plan_stays_beside_the_questions(open_page, pages):
    page = open_page(sorted(pages.glob("scenes/*.html"))[0], height=700)
    page.js("document.querySelector('.card:last-child').scrollIntoView({block: 'end', behavior: 'instant'})")
    top = page.js("document.querySelector('#questions svg.plan').getBoundingClientRect().top")
    assert 0 <= top < 100


def test_a_thousand_questions_are_one_page_that_answers_at_once(rooms, room_questions, tmp_path, open_page):
    table = pl.read_parquet(room_questions / "questions.parquet")
    name = table["scene_name"][0]
    many = pl.concat([table.filter(pl.col("scene_name") == name)] * 201)
    (tmp_path / "q").mkdir()
    metadata = table_metadata("questions", "test", {}, 0)
    write_table(many, tmp_path / "q/questions.parquet", QUESTIONS, metadata)
    started = time.perf_counter()
    write_gallery(Shown(Store(rooms), scenes=[name], questions=tmp_path / "q"), tmp_path / "out")
    assert time.perf_counter() - started < 20
    page = open_page(tmp_path / "out/scenes" / f"{name}.html")
    assert page.js("document.querySelectorAll('.card').length") == 1000
    assert "The first 1,000 of 1,005 questions." in page.js("document.querySelector('#questions .note').textContent")
    spent = page.js(
        "(() => { const s = document.querySelector('#questions input'), start = performance.now();"
        "s.value = 'how many'; s.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight;"
        "return performance.now() - start; })()"
    )
    assert spent < 2000
    page.check()
