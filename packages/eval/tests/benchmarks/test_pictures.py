"""Pictures that benchmarks publish with their questions: named by path, in zip files, as bytes and as base64."""

import base64
import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from qa_contract.tableio import read_table
from qa_contract.tables import PREDICTIONS, REJECTS
from qa_eval.benchmarks import find_benchmark
from qa_eval.cli import app
from qa_eval.errors import QAEvalError
from qa_eval.pictures import MARK, PictureFolder
from qa_eval.report import write_report
from qa_eval.report.view import write_view
from qa_eval.runners import find_runner
from qa_eval.runs.inputs import RunOptions, Sources, make_inputs
from qa_eval.runs.run import run
from qa_eval.scoring.questions import read_questions
from typer.testing import CliRunner

from .test_published_files import CASES, write_rows

GREYS = iter(range(10_000))


def picture():
    """Bytes of a picture unlike any other."""
    n = next(GREYS)
    data = io.BytesIO()
    Image.new("RGB", (64, 48), (n % 256, n // 256, 7)).save(data, format="PNG")
    return data.getvalue()


def held():
    """A picture as the hub's Parquet files hold it."""
    return {"bytes": picture(), "path": "x.png"}


def write_picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture())


def rows_of(name):
    return [dict(row) for row in CASES[name][1]]


def columns_of(name):
    """The columns that benchmarks hold their pictures in."""
    return {
        "mmsi-bench": lambda: {"images": [picture(), picture()]},
        "embspatial": lambda: {"image": base64.b64encode(picture()).decode()},
        "erqa": lambda: {"images": [held(), held()], "visual_indices": [0, 3]},
        "spar-bench": lambda: {"image": [held(), held()]},
        "blink": lambda: {"image_1": held(), "image_2": held(), "image_3": None, "image_4": None},
        "robospatial": lambda: {"img": held()},
        "sat-real": lambda: {"image_bytes": [held(), held()]},
        "stare": lambda: {"images": [held(), held()]},
    }.get(name, lambda: {"image": held()})


NAMED = {
    # rows with names, and files by those names
    "mindcube": ("images", lambda i: [f"other_all_image/g{i}/front.jpg", f"other_all_image/g{i}/left.jpg"], "data"),
    "viewspatial": ("image_path", lambda i: [f"ViewSpatial-Bench/val/scene{i}/original_images/280.jpg"], "."),
    "site": ("visual", lambda i: [f"images/d/{i}.png"], "."),
    "3dsrbench": ("image_url", lambda i: f"http://images.cocodataset.org/train2017/{i}.jpg", "."),
    "spbench": ("images", lambda i: [f"scene{i}/0.jpg", f"scene{i}/1.jpg"], "images"),
    "ost-bench": ("image_path", lambda i: str([f"scan{i}/0.jpg"]), "images"),
    "omnispatial": (None, None, "."),
    "vsr": ("image", lambda i: f"{i:012}.jpg", "."),
    "all-angles": ("image_path", lambda i: [f"{i}/1.jpg", f"{i}/2.jpg"], "All-Angles-Bench"),
    "spatialviz": (None, None, "pictures"),
}
HELD = sorted({"cv-bench", "refspatial", "where2place", "realworldqa", "mmsi-bench", "embspatial", "erqa"})
HELD += ["spar-bench", "blink", "robospatial", "sat-real", "stare"]


def publish(folder, name):
    """Write a benchmark's question file, and its pictures where the file names them."""
    file, *_ = CASES[name]
    rows = rows_of(name)
    if name in NAMED:
        column, names, place = NAMED[name]
        for i, row in enumerate(rows):
            row |= {column: names(i)} if column else {}
        path = write_rows(folder / file, rows)
        wanted = find_benchmark(name).read(path)["pictures"]
        for files in wanted:
            for one in files:
                write_picture(folder / place / one.removeprefix("http://images.cocodataset.org/train2017/"))
        return path, folder / place
    make = columns_of(name)
    return write_rows(folder / file, [row | make() for row in rows]), None


def inputs_of(path, images, name, tmp_path, **options):
    chosen = RunOptions("openai", "m", benchmark=name, **options)
    return make_inputs(Sources(path, images=images), chosen, find_runner("openai"), tmp_path / "scratch")


@pytest.mark.parametrize("name", [*NAMED, *HELD])
def test_every_layout_shows_its_pictures_in_order(tmp_path, name):
    path, images = publish(tmp_path, name)
    found = inputs_of(path, images, name, tmp_path)
    assert not found.problems
    n = len(find_benchmark(name).read(path)["id"])
    assert len(found.items) == n
    shown = [frame for item in found.items for frame in item.frames]
    assert all(frame.is_file() for frame in shown)
    assert len(set(shown)) == len(shown) >= n
    assert {len(item.frames) for item in found.items} <= {1, 2}
    assert {item.frame_input for item in found.items} == {"images"}
    assert found.shown["pixels"] == {"64x48": len(shown)}
    if name in NAMED and NAMED[name][0]:
        assert [Path(frame).name for frame in found.items[0].frame_ids] == [f.name for f in found.items[0].frames]


def test_every_benchmark_with_pictures_is_here(tmp_path):
    for name, (file, rows, *_) in CASES.items():
        path = write_rows(tmp_path / file, rows)
        assert ("pictures" in find_benchmark(name).read(path)) == (name in NAMED or name in HELD), name


def test_pictures_stand_at_their_marks(tmp_path):
    rows = rows_of("site")
    rows[0] |= {"question": f"Is it {MARK} or {MARK}?", "visual": ["a.png", "b.png"]}
    rows[1] |= {"question": f"Is it {MARK}?", "visual": ["a.png", "b.png"]}
    rows[2] |= {"visual": ["b.png"]}
    for name in "ab":
        write_picture(tmp_path / f"{name}.png")
    path = write_rows(tmp_path / "site.json", rows)
    first, second, third = inputs_of(path, tmp_path, "site", tmp_path).items
    assert first.content[:4] == ("Is it ", None, " or ", None)
    assert second.content[:2] == (None, None)
    assert MARK not in second.prompt
    assert third.content[0] is None
    blind = make_inputs(Sources(path), RunOptions("oracle", benchmark="site"), find_runner("oracle"), tmp_path).items
    assert all(MARK not in item.prompt and not item.frames for item in blind)


def test_a_folder_around_or_inside_and_zip_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("set/scene1/0.jpg", picture())
        archive.writestr("__MACOSX/set/scene1/0.jpg", b"")
    for place in (tmp_path, tmp_path / "data.zip"):
        folder = PictureFolder(place)
        for name in ("scene1/0.jpg", "/data/set/scene1/0.jpg", "set\\scene1\\0.jpg"):
            assert folder.find(name) == "set/scene1/0.jpg"
        with pytest.raises(LookupError, match=r"no picture scene2/0\.jpg"):
            folder.find("scene2/0.jpg")
        with pytest.raises(LookupError):
            folder.find("../../etc/0.jpg")
    write_picture(tmp_path / "other/scene1/0.jpg")
    with pytest.raises(LookupError, match="several pictures"):
        PictureFolder(tmp_path).find("scene1/0.jpg")


def test_one_file_is_not_two_pictures(tmp_path):
    rows = rows_of("mindcube")
    for i, row in enumerate(rows):
        row["images"] = [f"g{i}/front.jpg"]
    write_picture(tmp_path / "front.jpg")
    path = write_rows(tmp_path / "MindCube_tinybench.jsonl", rows)
    problems = inputs_of(path, tmp_path, "mindcube", tmp_path).problems
    assert list(problems) == [1, 2]
    assert "the only file for both g0/front.jpg and g1/front.jpg" in problems[1].detail


def test_a_damaged_member_of_a_zip_file_and_a_damaged_list_cost_their_questions(tmp_path):
    rows = rows_of("mindcube")
    for i, row in enumerate(rows):
        row["images"] = [f"g{i}/front.jpg"]
    rows[1]["images"] = "['g1/front.jpg'"
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for i in range(len(rows)):
            archive.writestr(f"g{i}/front.jpg", picture())
    data = bytearray((tmp_path / "data.zip").read_bytes())
    data[data.find(b"IDAT")] ^= 255
    (tmp_path / "data.zip").write_bytes(data)
    path = write_rows(tmp_path / "MindCube_tinybench.jsonl", rows)
    found = inputs_of(path, tmp_path / "data.zip", "mindcube", tmp_path)
    assert list(found.problems) == [0, 1]
    assert "data.zip: g0/front.jpg cannot be unpacked (Bad CRC-32" in found.problems[0].detail
    assert "neither the name of a picture" in found.problems[1].detail


@pytest.fixture
def options(tiny_model):
    return RunOptions(model=str(tiny_model), benchmark="site", batch_size=2, max_new_tokens=2, device="cpu")


def test_a_model_answers_about_published_pictures(tmp_path, options):
    path, images = publish(tmp_path, "site")
    (images / "images/d/1.png").unlink()
    result = run(path, None, tmp_path / "out", options, images=images)
    rows = read_table(tmp_path / "out", "predictions", PREDICTIONS)
    rejects = read_table(tmp_path / "out", "rejects", REJECTS)
    assert (result.n_questions, result.n_rejected) == (3, 1)
    assert rejects["reason"].to_list() == ["missing_frame"]
    assert "no picture images/d/1.png" in rejects["detail"][0]
    assert rows["frame_ids"].to_list() == [["images/d/0.png"], ["images/d/2.png"]]
    assert set(rows["frame_set_id"]) == {"published"}
    assert not (tmp_path / "out/work").exists()
    assert run(path, None, tmp_path / "out", options, images=images).already
    assert not (tmp_path / "out/work").exists()
    write_picture(images / "images/d/0.png")
    with pytest.raises(QAEvalError, match="images"):
        run(path, None, tmp_path / "out", options, images=images)
    assert (tmp_path / "out/predictions.parquet").is_file()


def test_pictures_in_the_file_itself_reach_view_and_report(tmp_path, options):
    path, _ = publish(tmp_path, "cv-bench")
    arguments = ["run", str(path), "--model", str(options.model), "--benchmark", "cv-bench", "--device", "cpu"]
    arguments += ["--max-new-tokens", "1", "--limit", "3", "--degrade", "blur:5", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "blur" in result.output
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["frames"]["pictures"] == 3
    write_view([tmp_path / "out"], ["out"], tmp_path / "view.html")
    assert len(list((tmp_path / "view-pictures").iterdir())) == 3
    assert "view-pictures/" in (tmp_path / "view.html").read_text()
    write_report([tmp_path / "out"], tmp_path / "report")
    assert "data:image" in (tmp_path / "report/report.html").read_text()


def test_pictures_that_are_not_there_are_refused(tmp_path, options):
    path, images = publish(tmp_path, "site")
    with pytest.raises(QAEvalError, match=r"Not one of 3 questions.*no --images says where.*--runner blind"):
        run(path, None, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(QAEvalError, match="holds no picture"):
        run(path, None, tmp_path / "out", options, images=tmp_path / "empty")
    with pytest.raises(QAEvalError, match="not --videos and --images"):
        run(path, None, tmp_path / "out", RunOptions(model="m", n_frames=2), images=images, videos=images)
    with pytest.raises(QAEvalError, match="shows no frames; --images has no effect"):
        run(path, None, tmp_path / "out", RunOptions("majority", benchmark="site"), images=images)
    bare = write_rows(tmp_path / "bare.json", rows_of("site"))
    with pytest.raises(QAEvalError, match="name no pictures of their own"):
        run(bare, None, tmp_path / "out", options, images=images)


def test_rows_of_ones_own_name_pictures(tmp_path):
    row = {"id": "a", "scene_name": "s", "question_type": "object_counting", "question": "How many?"}
    path = write_rows(tmp_path / "q.jsonl", [row | {"ground_truth": "2", "images": ["a.png"]}])
    write_picture(tmp_path / "a.png")
    (item,) = inputs_of(path, tmp_path, "questions", tmp_path).items
    assert item.frames == (tmp_path / "a.png",)


def test_tables_with_base64_are_read(tmp_path):
    rows = [row | {"image": base64.b64encode(picture()).decode()} for row in rows_of("3dsrbench")]
    path = tmp_path / "3dsr.tsv"
    pl.DataFrame(rows).write_csv(path, separator="\t")
    assert all(item.frames for item in inputs_of(path, None, "3dsrbench", tmp_path).items)


def test_benchmarks_with_a_form_of_their_own_ask_for_it(tmp_path):
    for name, ending in (("where2place", "of the picture."), ("omnispatial", "right option."), ("erqa", "B. y.")):
        (tmp_path / name).mkdir()
        path, _ = publish(tmp_path / name, name)
        table = read_questions(path, find_benchmark(name))
        assert set(table["prompt_id"]) == {"verbatim"}
        assert table["question"][0].endswith(ending)
