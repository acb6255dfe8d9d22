from __future__ import annotations

import pytest
from PIL import Image
from qa_trainer.data.images import CachedImageProcessor, seen_pixels


@pytest.fixture(scope="module")
def processor():
    from qa_trainer.tiny.model import build_processor

    return build_processor().image_processor


class Counting:
    """Counts the images that reach the wrapped processor."""

    def __init__(self, processor):
        self.processor, self.seen = processor, 0
        self.model_input_names = processor.model_input_names

    def __call__(self, images, **options):
        self.seen += len(images)
        return self.processor(images, **options)


def test_cached_results_equal_those_of_the_processor(processor, store):
    names = ["room_0/0", "room_2/0", "room_0/1", "room_0/0", "room_2/1"]
    counting = Counting(processor)
    cached = CachedImageProcessor(counting, limit_bytes=2**20)
    for _ in range(2):
        images = [Image.open(store / f"images/{name}.png") for name in names]
        result = cached([images[:2], images[2:]])
        expected = processor([Image.open(store / f"images/{name}.png") for name in names], return_tensors="pt")
        assert set(result) == set(expected)
        for key in expected:
            assert result[key].equal(expected[key])
    # Four files, each processed once in two rounds.
    assert counting.seen == 4


def test_the_cache_stays_below_its_limit(processor, store):
    made = processor(Image.open(store / "images/room_0/0.png"), return_tensors="pt")
    one = sum(value.nbytes for value in made.values())
    counting = Counting(processor)
    cached = CachedImageProcessor(counting, limit_bytes=one)
    for name in ("room_0/0", "room_0/0", "room_0/1", "room_0/0"):
        cached([Image.open(store / f"images/{name}.png")])
    assert counting.seen == 3


def test_only_processors_with_separable_results_fit(processor):
    counting = Counting(processor)
    assert CachedImageProcessor.fits(counting)
    counting.model_input_names = ["pixel_values", "pixel_attention_mask"]
    assert not CachedImageProcessor.fits(counting)


@pytest.mark.parametrize("size", [(640, 480), (100, 30), (33, 65), (1500, 1100)])
def test_the_seen_size_is_that_of_the_patches(processor, size):
    from transformers import CLIPImageProcessor

    grid = processor(Image.new("RGB", size), return_tensors="pt")["image_grid_thw"][0]
    assert seen_pixels(processor, *size) == int(grid[1] * grid[2]) * processor.patch_size**2
    clip = CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 28, "width": 56})
    assert seen_pixels(clip, *size) == clip(Image.new("RGB", size), return_tensors="np")["pixel_values"][0, 0].size
