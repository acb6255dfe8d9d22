"""Layouts of masks: each as its segmenter writes it, and damaged."""

import json

import numpy as np
import pytest
from PIL import Image
from qa_engine.errors import QAEngineError, SceneError
from qa_engine.formats.masks import find_masks, match_frames
from qa_engine.formats.masks.rle import decode

CHAIR = np.zeros((6, 8), dtype=bool)
CHAIR[1:4, 2:5] = True
LAMP = np.zeros((6, 8), dtype=bool)
LAMP[4:, 6:] = True

# What pycocotools 2.0 packs these pixels into.
PACKED = "022O030M000000O100000O00001221MM40L10"
PIXELS = [
    [1, 1, 0, 0, 1, 1, 1, 1, 0],
    [1, 1, 0, 1, 0, 0, 0, 1, 0],
    [0, 1, 1, 0, 1, 1, 0, 0, 1],
    [0, 1, 0, 1, 1, 0, 0, 1, 0],
    [1, 0, 0, 1, 0, 0, 0, 0, 1],
    [0, 0, 1, 0, 1, 1, 1, 0, 1],
    [0, 1, 0, 1, 0, 1, 1, 0, 0],
]


def runs(mask: np.ndarray) -> list[int]:
    """Run lengths by column, zeros first."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [not flat[-1]]]).astype(int)))
    return np.diff(np.concatenate([[0], edges])).tolist()


def ids() -> np.ndarray:
    return np.where(CHAIR, 3, np.where(LAMP, 7, 0))


def write_png(folder):
    Image.fromarray(ids().astype(np.uint8)).save(folder / "00002.png")
    (folder / "labels.json").write_text('{"3": "chair", "7": "lamp"}')


def write_png_16(folder):
    Image.fromarray(ids().astype(np.uint16)).save(folder / "00002.png")
    (folder / "labels.json").write_text('{"00002": {"3": "chair", "7": "lamp"}}')


def write_png_palette(folder):
    image = Image.fromarray(ids().astype(np.uint8), mode="P")
    image.putpalette([k for colour in range(256) for k in (colour, 0, 0)])
    image.save(folder / "00002.png")
    (folder / "labels.json").write_text('{"3": "chair", "7": "lamp"}')


def write_png_per_object(folder):
    for number, mask in ((3, CHAIR), (7, LAMP)):
        (folder / f"{number:03d}").mkdir()
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{number:03d}" / "00002.png")
    (folder / "labels.json").write_text('{"3": "chair", "7": "lamp"}')


def write_coco(folder):
    square = [2, 1, 4, 1, 4, 3, 2, 3]  # corners of pixels that are filled
    annotations = [
        {"id": 1, "image_id": 5, "category_id": 1, "segmentation": [square], "score": 0.5},
        {"id": 2, "image_id": 5, "category_id": 2, "segmentation": {"size": [6, 8], "counts": runs(LAMP)}},
    ]
    images = [{"id": 5, "file_name": "images\\00002.jpg", "height": 6, "width": 8}]
    categories = [{"id": 1, "name": "chair"}, {"id": 2, "name": "lamp"}]
    note = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(note))


def write_grounded_video(folder):
    (folder / "mask_data").mkdir()
    (folder / "json_data").mkdir()
    np.save(folder / "mask_data" / "mask_00002.npy", ids().astype(np.uint16))
    labels = {str(n): {"instance_id": n, "class_name": name} for n, name in ((3, "chair"), (7, "lamp"))}
    (folder / "json_data" / "mask_00002.json").write_text(json.dumps({"labels": labels}))


def write_grounded_images(folder):
    annotations = [
        {"class_name": name, "bbox": [0, 0, 1, 1], "score": [0.9], "segmentation": {"size": [6, 8], "counts": runs(m)}}
        for name, m in (("chair", CHAIR), ("lamp", LAMP))
    ]
    note = {"image_path": "notebooks/00002.jpg", "annotations": annotations, "box_format": "xyxy"}
    (folder / "results.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("layout", "write"),
    [
        ("png", write_png),
        ("png", write_png_16),
        ("png", write_png_palette),
        ("png", write_png_per_object),
        ("coco", write_coco),
        ("grounded-sam2-video", write_grounded_video),
        ("grounded-sam2", write_grounded_images),
    ],
)
def test_each_layout_is_known_and_gives_the_same_masks(tmp_path, layout, write):
    write(tmp_path)
    found, frames = find_masks(tmp_path)
    assert found == layout
    assert list(frames) == ["00002"]
    masks = {mask.label: mask.pixels for mask in frames["00002"]()}
    np.testing.assert_array_equal(masks["chair"], CHAIR)
    np.testing.assert_array_equal(masks["lamp"], LAMP)


def test_packed_runs_are_what_pycocotools_packs():
    np.testing.assert_array_equal(decode({"size": [7, 9], "counts": PACKED}, "mask"), np.array(PIXELS, dtype=bool))


@pytest.mark.parametrize("counts", [[1, 2], [50], [-1, 49], "0", "~~~", [1.5, 46.5], None])
def test_runs_that_do_not_fill_the_image_are_refused(counts):
    with pytest.raises(SceneError, match="mask"):
        decode({"size": [6, 8], "counts": counts}, "mask")


@pytest.mark.parametrize("size", [[], [6], [6, 8, 1], [0, 8], ["6", 8], [100_000, 100_000]])
def test_sizes_of_runs_are_checked(size):
    with pytest.raises(SceneError, match="size"):
        decode({"size": size, "counts": [48]}, "mask")


def test_frames_are_matched_by_name_then_by_number():
    assert match_frames(["frame_0001", "frame_0002"], ["00001", "frame_0002"]) == {
        "frame_0001": "00001",
        "frame_0002": "frame_0002",
    }
    assert match_frames(["a_1", "b_1"], ["1"]) == {}


def test_damaged_files_are_named(tmp_path):
    write_grounded_video(tmp_path)
    array = tmp_path / "mask_data" / "mask_00002.npy"
    array.write_bytes(array.read_bytes()[:-5])
    with pytest.raises(SceneError, match=r"mask_00002.npy: no whole array"):
        find_masks(tmp_path)[1]["00002"]()
    np.save(array, np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(SceneError, match=r"mask_00002.npy"):
        find_masks(tmp_path)[1]["00002"]()
    (tmp_path / "json_data" / "mask_00002.json").unlink()
    np.save(array, ids())
    with pytest.raises(SceneError, match=r"mask_00002.json: no such file"):
        find_masks(tmp_path)[1]["00002"]()


def test_a_folder_without_masks_says_which_layouts_there_are(tmp_path):
    with pytest.raises(QAEngineError, match=r"no masks found\. Known layouts: .*coco"):
        find_masks(tmp_path)
    with pytest.raises(QAEngineError, match="layout of masks"):
        find_masks(tmp_path, "cocco")
