"""Damage frames on purpose, to see how fast a score falls."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from qa_eval.errors import QAEvalError, unknown_name
from qa_eval.runners.base import Item

MAX_LEVEL = 5
"""Levels run from 1 (slight) to 5 (severe)."""

Pixels = NDArray[np.float64]
"""(height, width, 3), 0 to 1."""


@dataclass(frozen=True)
class Damage:
    """One kind of damage at one level.

    Attributes
    ----------
    kind : str
    level : int
        1 to 5.
    """

    kind: str
    level: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.level}"


def parse_damages(text: str) -> list[Damage]:
    """Read ``kind[,kind...]:levels``, for example ``blur,noise:1,3,5`` or ``fog:2``.

    Raises
    ------
    QAEvalError
        A kind is unknown or a level is not 1 to 5.

    Examples
    --------
    >>> [str(d) for d in parse_damages("blur,fog:1,5")]
    ['blur:1', 'blur:5', 'fog:1', 'fog:5']
    """
    kinds, _, levels = text.partition(":")
    numbers = levels.split(",") if levels else [str(n) for n in range(1, MAX_LEVEL + 1)]
    for name in kinds.split(","):
        if name not in DAMAGES:
            raise unknown_name("degradation", name, DAMAGES)
    for number in numbers:
        if not number.isdecimal() or not 1 <= int(number) <= MAX_LEVEL:
            raise QAEvalError(f"Degradation level '{number}' in '{text}': levels are 1 to {MAX_LEVEL}.")
    return [Damage(name, int(number)) for name in kinds.split(",") for number in numbers]


def degrade_image(
    image: Image.Image, damage: Damage, *, rng: np.random.Generator, depth_m: Pixels | None = None
) -> Image.Image:
    """Damage one image.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.
    damage : Damage
    rng : numpy.random.Generator
    depth_m : (height, width) float64, metres, optional
        Distance along the view of each pixel, 0 = unknown. Fog thickens with it; without it the image is taken to be
        3 m deep at the bottom row and 8 m at the top.

    Returns
    -------
    PIL.Image.Image
        Of the same size.

    Examples
    --------
    >>> grey = Image.new("RGB", (8, 8), (128, 128, 128))
    >>> degrade_image(grey, Damage("low-light", 5), rng=np.random.default_rng(0)).getpixel((0, 0))[0] < 40
    True
    """
    return DAMAGES[damage.kind](image.convert("RGB"), damage.level, rng, depth_m)


def degrade_file(source: Path, target: Path, damage: Damage, *, seed: int, depth_m: Pixels | None = None) -> Path:
    """Write a damaged copy of an image as PNG; the random part depends on the seed and the image's content alone."""
    data = source.read_bytes()
    digest = hashlib.sha256(f"{seed}|{damage}|".encode() + data).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    with Image.open(io.BytesIO(data)) as image:
        damaged = degrade_image(image, damage, rng=rng, depth_m=depth_m)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    damaged.save(partial, format="PNG")
    return partial.replace(target)


def degrade_items(
    items: Sequence[Item], damage: Damage, folder: Path, *, seed: int, depths: Mapping[Path, Path]
) -> list[Item]:
    """Replace the frames of items by damaged copies in `folder`; a frame that cannot be read stays as it is.

    `depths` maps frames to depth maps (uint16 PNG, millimetres); only fog uses them.
    """
    return [
        replace(item, frames=tuple(_damaged_copy(p, damage, folder, seed, depths.get(p)) for p in item.frames))
        for item in items
    ]


def _damaged_copy(path: Path, damage: Damage, folder: Path, seed: int, depth: Path | None) -> Path:
    target = folder / f"{hashlib.sha256(str(path).encode()).hexdigest()[:24]}.png"
    if target.is_file():
        return target
    try:
        depth_m = None
        if damage.kind == "fog" and depth is not None and depth.is_file():
            with Image.open(depth) as image:
                depth_m = np.asarray(image, dtype=np.float64) / 1000
        return degrade_file(path, target, damage, seed=seed, depth_m=depth_m)
    except (OSError, ValueError):
        return path


def area_under_curve(scores: dict[int, float], clean: float) -> float:
    """Area under the score over the levels 0 (clean) to 5, divided by 5: the mean score along the way.

    Parameters
    ----------
    scores : dict of int to float
        Score per level; levels that were not run are bridged by a straight line, and the last one is carried on.
    clean : float
        Score at level 0.

    Examples
    --------
    >>> area_under_curve({5: 0.0}, 1.0)
    0.5
    """
    levels = sorted(scores)
    points = np.interp(range(MAX_LEVEL + 1), [0, *levels], [clean, *(scores[level] for level in levels)])
    return float(((points[1:] + points[:-1]) / 2).mean())


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float64) / 255


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def _blur(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Gaussian blur; the radius is a share of the shorter side, so that resolution does not matter."""
    return image.filter(ImageFilter.GaussianBlur(min(image.size) * 0.006 * level))


def _noise(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Independent Gaussian noise per channel, standard deviation 0.05 per level."""
    pixels = _pixels(image)
    return _image(pixels + rng.normal(0, 0.05 * level, pixels.shape))


def _low_light(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Fewer photons: darker, with shot noise that grows as the light falls."""
    photons = 400 * 0.45**level
    return _image(rng.poisson(_pixels(image) * photons) / photons * 0.7**level)


def _overexposure(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Gain that clips the highlights."""
    return _image(_pixels(image) * (1 + 0.5 * level))


def _compression(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """JPEG at quality 30, 20, 12, 7, 3."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=(30, 20, 12, 7, 3)[level - 1])
    with Image.open(buffer) as compressed:
        return compressed.convert("RGB")


def _fog(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Grey veil by Beer-Lambert: transmission exp(-0.08 level depth)."""
    pixels = _pixels(image)
    if depth_m is None:
        depth_m = np.repeat(np.linspace(8.0, 3.0, pixels.shape[0])[:, None], pixels.shape[1], axis=1)
    else:
        known = depth_m > 0
        depth_m = np.where(known, depth_m, depth_m[known].max() if known.any() else 8.0)
    transmission = np.exp(-0.08 * level * depth_m)[..., None]
    return _image(pixels * transmission + 0.8 * (1 - transmission))


def _rain(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Bright slanted streaks, more and longer with the level."""
    height, width = image.height, image.width
    layer = np.zeros((height, width))
    n, length = int(width * height * 0.0008 * level), max(3, int(height * 0.02 * (level + 2)))
    rows, columns = rng.integers(-length, height, n), rng.integers(0, width, n)
    steps = np.arange(length)
    r, c = rows[:, None] + steps, columns[:, None] + steps // 4
    inside = (r >= 0) & (r < height) & (c < width)
    layer[r[inside], c[inside]] = 0.55
    return _image(_pixels(image) * (1 - layer[..., None]) + layer[..., None] * 0.9)


def _occlusion(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Grey squares over a share of the cells of an 8 x 8 grid: 10% per level."""
    pixels = _pixels(image)
    cells = rng.permutation(64)[: round(6.4 * level)]
    rows = np.linspace(0, image.height, 9).astype(int)
    columns = np.linspace(0, image.width, 9).astype(int)
    for cell in cells.tolist():
        r, c = divmod(cell, 8)
        pixels[rows[r] : rows[r + 1], columns[c] : columns[c + 1]] = 0.5
    return _image(pixels)


def _downscale(image: Image.Image, level: int, rng: np.random.Generator, depth_m: Pixels | None) -> Image.Image:
    """Lose resolution by 1.5 per level, then back to the size."""
    size = tuple(max(1, round(side / 1.5**level)) for side in image.size)
    small = image.resize((size[0], size[1]), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BILINEAR)


DAMAGES: dict[str, Callable[[Image.Image, int, np.random.Generator, Pixels | None], Image.Image]] = {
    "blur": _blur,
    "noise": _noise,
    "low-light": _low_light,
    "overexposure": _overexposure,
    "compression": _compression,
    "fog": _fog,
    "rain": _rain,
    "occlusion": _occlusion,
    "downscale": _downscale,
}
"""Kind to function of (image, level, generator, depth in metres or None)."""
