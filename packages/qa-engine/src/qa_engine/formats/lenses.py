"""Lens models of cameras: where a point falls in the picture, and the picture that a lens without distortion shows.

References
----------
COLMAP's camera models and OpenCV's `calib3d` and `fisheye` modules, whose numbers these are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError

MODELS: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "OPENCV_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "FOV": ("fx", "fy", "cx", "cy", "omega"),
    "SIMPLE_RADIAL_FISHEYE": ("f", "cx", "cy", "k1"),
    "RADIAL_FISHEYE": ("f", "cx", "cy", "k1", "k2"),
    "THIN_PRISM_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1"),
}
"""COLMAP's models in the order of their ids, with the numbers of each."""

LARGEST_ZOOM = 3.0
"""A picture without empty corners is made from at least a third of the view per side."""

CHECKED_PER_SIDE = 33
"""Places per side of the picture where a lens is checked to be one to one."""


@dataclass(frozen=True)
class Lens:
    """A camera with distortion.

    Parameters
    ----------
    width, height : int
        Pixels of the distorted picture.
    fx, fy, cx, cy : float
        Pixels; the middle of the first pixel lies at (0, 0).
    fisheye : bool
        Whether the distance from the middle grows with the angle, not with its tangent.
    k : tuple of 6 floats
        Radial numbers, of r² on. A fisheye has four; without fisheye the last three divide:
        (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶).
    p, s : tuple of 2 floats
        Tangential numbers, and those of a thin prism.

    Examples
    --------
    >>> Lens(width=8, height=6, fx=4, fy=4, cx=3.5, cy=2.5).bends
    False
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    fisheye: bool = False
    k: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    p: tuple[float, float] = (0.0, 0.0)
    s: tuple[float, float] = (0.0, 0.0)

    @property
    def bends(self) -> bool:
        """Whether the lens is not a pinhole."""
        return self.fisheye or any((*self.k, *self.p, *self.s))

    @property
    def intrinsics(self) -> NDArray[np.float64]:
        """Camera matrix (3, 3), pixels, of the distorted picture."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def sized(self, width: int, height: int) -> Lens:
        """Give the lens of the same picture with another number of pixels.

        Examples
        --------
        >>> lens = Lens(width=8, height=6, fx=4, fy=4, cx=3.5, cy=2.5).sized(4, 3)
        >>> lens.fx, lens.cx, lens.cy
        (2.0, 1.5, 1.0)
        """
        x, y = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return replace(self, width=width, height=height, fx=self.fx * x, fy=self.fy * y, cx=cx, cy=cy)


def lens_of(model: str, values: tuple[float, ...], size: tuple[int, int], field: str) -> Lens:
    """Make a lens from the numbers of one of COLMAP's models.

    Raises
    ------
    SceneError
        The model is not known, cannot be undistorted, or has other numbers.

    Examples
    --------
    >>> lens_of("SIMPLE_RADIAL", (4, 3.5, 2.5, 0.1), (8, 6), "camera 1").k[0]
    0.1
    """
    names = MODELS.get(model)
    if names is None or model == "FOV":
        valid = ", ".join(name for name in MODELS if name != "FOV")
        problem = f"pictures of the lens model {model} cannot be undistorted; known are {valid}"
        raise SceneError(field, problem, reason=IngestReason.LENS_MODEL)
    if len(values) != len(names):
        problem = f"{model} has {len(names)} numbers ({', '.join(names)}), found {len(values)}"
        raise SceneError(field, problem, reason=IngestReason.BAD_CAMERA)
    given = dict(zip(names, values, strict=True))
    fx, fy = given.get("fx", given.get("f", 0.0)), given.get("fy", given.get("f", 0.0))
    if fx <= 0 or fy <= 0:
        raise SceneError(field, f"focal length {fx:g}, {fy:g} not above 0", reason=IngestReason.BAD_CAMERA)
    return Lens(
        width=size[0],
        height=size[1],
        fx=fx,
        fy=fy,
        cx=given["cx"],
        cy=given["cy"],
        fisheye="FISHEYE" in model,
        k=tuple(given.get(f"k{i}", 0.0) for i in range(1, 7)),
        p=(given.get("p1", 0.0), given.get("p2", 0.0)),
        s=(given.get("sx1", 0.0), given.get("sy1", 0.0)),
    )


def distort(points: NDArray[np.float64], lens: Lens) -> NDArray[np.float64]:
    """Tell where a lens puts points.

    Parameters
    ----------
    points : (..., 2) float64
        x / z and y / z in camera axes.

    Returns
    -------
    (..., 2) float64, pixels of the distorted picture

    Examples
    --------
    >>> lens = Lens(width=8, height=6, fx=4, fy=4, cx=3.5, cy=2.5, k=(0.5, 0, 0, 0, 0, 0))
    >>> distort(np.array([[1.0, 0]]), lens).tolist()
    [[9.5, 2.5]]
    """
    x, y = points[..., 0], points[..., 1]
    if lens.fisheye:
        r = np.hypot(x, y)
        ratio = np.where(r > 1e-12, np.arctan(r) / np.maximum(r, 1e-12), 1.0)
        x, y = x * ratio, y * ratio
    r2 = x * x + y * y
    radial = _polynomial(r2, lens.k[:4] if lens.fisheye else lens.k[:3])
    if not lens.fisheye:
        radial = radial / _polynomial(r2, lens.k[3:])
    p1, p2 = lens.p
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + lens.s[0] * r2
    v = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + lens.s[1] * r2
    return np.stack([lens.fx * u + lens.cx, lens.fy * v + lens.cy], axis=-1)


def _polynomial(r2: NDArray[np.float64], numbers: tuple[float, ...]) -> NDArray[np.float64]:
    """1 + numbers[0] r² + numbers[1] r⁴ + ..."""
    total = np.zeros_like(r2)
    for number in reversed(numbers):
        total = (total + number) * r2
    return 1 + total


@lru_cache(maxsize=64)
def pinhole_of(lens: Lens) -> Lens:
    """Find the lens without distortion whose picture has the same size and no empty pixel.

    The principal point stays, and focal lengths grow until every pixel is seen by the distorted picture.

    Raises
    ------
    SceneError
        The distortion folds the picture over itself, or is so large that hardly anything of it is left.

    Examples
    --------
    >>> bent = Lens(width=9, height=9, fx=4, fy=4, cx=4, cy=4, k=(-0.1, 0, 0, 0, 0, 0))
    >>> pinhole_of(bent).fx, pinhole_of(replace(bent, k=(0.1, 0, 0, 0, 0, 0))).fx > 4
    (4, True)
    """
    straight = Lens(lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy)
    if _covers(lens, straight):
        return straight
    low, high = 1.0, LARGEST_ZOOM
    if not _covers(lens, _zoomed(straight, high)):
        problem = f"the distortion leaves no whole picture, fx {lens.fx:g}, k {lens.k}, p {lens.p}"
        raise SceneError("camera", problem, reason=IngestReason.LENS_MODEL)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if _covers(lens, _zoomed(straight, middle)) else (middle, high)
    return _zoomed(straight, high)


def _zoomed(lens: Lens, factor: float) -> Lens:
    return replace(lens, fx=lens.fx * factor, fy=lens.fy * factor)


def _covers(lens: Lens, straight: Lens) -> bool:
    """Tell whether all of a straight picture lies in the distorted one, once."""
    columns = np.linspace(0, straight.width - 1, CHECKED_PER_SIDE)
    rows = np.linspace(0, straight.height - 1, CHECKED_PER_SIDE)
    with np.errstate(all="ignore"):
        at = distort(_rays(straight, columns, rows), lens)
        inside = (at >= -0.5) & (at <= np.array([lens.width, lens.height]) - 0.5)
        (ux, vx), (uy, vy) = (np.moveaxis(np.diff(at, axis=axis), -1, 0) for axis in (1, 0))
        once = ux[:-1] * vy[:, :-1] > uy[:, :-1] * vx[:-1]
    return bool(inside.all() and (once.all() or min(at.shape[:2]) < 2 or 1 in (straight.width, straight.height)))


def _rays(lens: Lens, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points at depth 1 of pixels of a straight picture, (rows, columns, 2)."""
    x, y = (columns - lens.cx) / lens.fx, (rows - lens.cy) / lens.fy
    return np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1)


@lru_cache(maxsize=2)
def _places(lens: Lens) -> NDArray[np.float32]:
    """Row and column of the distorted picture for each pixel of the straight one, (2, height, width)."""
    straight = pinhole_of(lens)
    rays = _rays(straight, np.arange(lens.width, dtype=np.float64), np.arange(lens.height, dtype=np.float64))
    return np.moveaxis(distort(rays, lens), -1, 0)[::-1].astype(np.float32)


def undistort(pixels: NDArray, lens: Lens) -> NDArray:
    """Give the picture that `pinhole_of(lens)` shows.

    Parameters
    ----------
    pixels : (height, width, channels) uint8, or (height, width) float32 depth along z
        Colours are mixed between the four pixels around a place; depth is that of the nearest.

    Examples
    --------
    >>> lens = Lens(width=9, height=9, fx=4, fy=4, cx=4, cy=4, k=(-0.1, 0, 0, 0, 0, 0))
    >>> undistort(np.full((9, 9, 3), 7, np.uint8), lens).tolist() == np.full((9, 9, 3), 7).tolist()
    True
    """
    from scipy import ndimage

    places = _places(lens)
    if pixels.ndim == 2:
        row, column = np.rint(places).astype(np.int64)
        return pixels[row.clip(0, lens.height - 1), column.clip(0, lens.width - 1)]
    return np.stack(
        [ndimage.map_coordinates(pixels[..., i], places, order=1, mode="nearest") for i in range(pixels.shape[2])],
        axis=-1,
    )
