"""Points in masks: what Where2Place, RefSpatial-Bench and RoboSpatial-Home share."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_eval.errors import QAEvalError

TUPLE = re.compile(r"\(([-+]?\d+\.?\d*(?:,\s*[-+]?\d+\.?\d*)*?)\)")
FENCED = re.compile(r"```(?:\w+)?\n(.*?)```", re.DOTALL)
THOUGHT = re.compile(r"^.*?</(?:think|thought)>", re.DOTALL)
TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)

REQUEST = (
    "Answer with points as a list of tuples, [(x, y), ...], where x and y, from 0 to 1, are shares of the width and of "
    "the height of the picture."
)
"""Asks for the form that `tuple_points` reads."""
JSON_REQUEST = (
    'Answer with a fenced block of JSON, [{"point_2d": [x, y]}], where x and y are thousandths of the width and of the '
    "height of the picture."
)
"""Asks for the form that `json_points` reads."""

Mask = NDArray[np.bool_]
Points = list[tuple[int, int]]


def mask_text(image: Any) -> str | None:
    """Write a mask as text, which a ground truth is: width, height and packed bits.

    Parameters
    ----------
    image : dict with bytes, bytes, or nested list of numbers
        A picture (white = inside, as published), or rows of pixels.

    Examples
    --------
    >>> text_mask(mask_text([[0, 255], [0, 0]])).tolist()
    [[False, True], [False, False]]
    """
    if isinstance(image, dict):
        image = image.get("bytes")
    if image is None:
        return None
    if isinstance(image, bytes):
        from PIL import Image

        with Image.open(io.BytesIO(image)) as picture:
            pixels = np.asarray(picture)
    else:
        pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
    inside = pixels if pixels.dtype == np.bool_ else np.round(pixels / 255.0).astype(bool)
    packed = base64.b64encode(zlib.compress(np.packbits(inside).tobytes())).decode()
    return f"{inside.shape[1]}x{inside.shape[0]}:{packed}"


def text_mask(text: str) -> Mask:
    """Read a mask, shape (height, width), that `mask_text` wrote.

    Raises
    ------
    QAEvalError
        The text is no mask.
    """
    size, _, packed = text.partition(":")
    try:
        width, height = (int(value) for value in size.split("x"))
        bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype=np.uint8))
    except (ValueError, zlib.error) as error:
        raise QAEvalError(
            f"The ground truth {text[:40]!r} is no mask ({error}). Pass the published file with --questions."
        ) from error
    return bits[: width * height].reshape(height, width).astype(bool)


def tuple_points(completion: str, width: int, height: int) -> Points:
    """Read pairs in round brackets as fractions of the picture's size; the product is cut to whole pixels.

    Examples
    --------
    >>> tuple_points("[(0.5, 0.25), (1, 2, 3)]", 100, 200)
    [(50, 50)]
    """
    pairs = [match.split(",") for match in TUPLE.findall(completion)]
    return [(int(float(p[0]) * width), int(float(p[1]) * height)) for p in pairs if len(p) == 2]


def json_points(completion: str, width: int, height: int) -> Points:
    r"""Read `point_2d` of the objects in the first fenced block, in thousandths of the picture's size.

    Examples
    --------
    >>> json_points('```json\n[{"point_2d": [500, 250]}]\n```', 100, 200)
    [(50, 50)]
    """
    found = FENCED.search(completion)
    try:
        rows = json.loads(found[1].strip()) if found else []
        pairs = [row["point_2d"] for row in rows if isinstance(row.get("point_2d"), list) and len(row["point_2d"]) == 2]
        return [(int(x / 1000 * width), int(y / 1000 * height)) for x, y in pairs]
    except (ValueError, TypeError, AttributeError):
        return []


def share_inside(points: Points, mask: Mask) -> float | None:
    """Share of the points that lie inside; points out of the picture count as outside. None without a point.

    Examples
    --------
    >>> share_inside([(0, 0), (1, 0), (9, 9)], np.array([[True, False]]))
    0.3333333333333333
    """
    if not points:
        return None
    height, width = mask.shape
    hits = [0 <= x < width and 0 <= y < height and bool(mask[y, x]) for x, y in points]
    return float(np.mean(np.array(hits, dtype=np.float64)))


def without_thought(completion: str) -> str:
    """Cut everything up to the end of the reasoning, and open answer tags.

    Examples
    --------
    >>> without_thought("<think>no</think> <answer>Yes</answer>")
    'Yes'
    """
    text = THOUGHT.sub("", completion)
    found = TAGGED.search(text)
    return (found[1] if found else text).strip()


def tuples_score(completion: str, ground_truth: str) -> float | None:
    """Score points in round brackets against a mask as text."""
    mask = text_mask(ground_truth)
    return share_inside(tuple_points(completion, mask.shape[1], mask.shape[0]), mask)
