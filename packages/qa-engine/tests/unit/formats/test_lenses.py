import numpy as np
import pytest
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.lenses import Lens, distort, lens_of, pinhole_of, undistort

MODELS = {
    "SIMPLE_RADIAL": (400, 319.5, 239.5, -0.12),
    "RADIAL": (400, 319.5, 239.5, 0.1, -0.02),
    "OPENCV": (400, 420, 300, 250, -0.15, 0.03, 0.01, -0.008),
    "FULL_OPENCV": (400, 400, 319.5, 239.5, 0.1, 0.02, 0.002, 0.001, 0.01, 0.2, 0.01, 0.001),
    "OPENCV_FISHEYE": (220, 220, 319.5, 239.5, 0.03, -0.01, 0.001, 0.0002),
    "THIN_PRISM_FISHEYE": (220, 220, 319.5, 239.5, 0.03, -0.01, 0.002, 0.001, 0, 0, 0.002, -0.001),
}


@pytest.mark.parametrize("model", MODELS)
def test_a_straight_picture_shows_each_point_where_a_pinhole_would(model):
    """A picture whose colours are its own coordinates keeps them: project, distort, undistort."""
    lens = lens_of(model, MODELS[model], (640, 480), "camera")
    straight = pinhole_of(lens)
    v, u = np.mgrid[:480, :640].astype(np.float64)
    shown = undistort(np.stack([u, v, 0 * u], -1).astype(np.float32), lens)
    points = np.stack([(u - straight.cx) / straight.fx, (v - straight.cy) / straight.fy], -1)
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(shown[..., :2] - distort(points, lens))[inner].max() < 1e-3
    assert not straight.bends


@pytest.mark.parametrize("model", MODELS)
def test_no_pixel_of_a_straight_picture_is_empty(model):
    lens = lens_of(model, MODELS[model], (640, 480), "camera")
    straight = pinhole_of(lens)
    v, u = np.mgrid[:480, :640].astype(np.float64)
    at = distort(np.stack([(u - straight.cx) / straight.fx, (v - straight.cy) / straight.fy], -1), lens)
    assert (at > -0.6).all()
    assert (at < np.array([639.6, 479.6])).all()


def test_published_formulas_by_hand():
    x, y = 0.3, -0.2
    r2 = x * x + y * y
    lens = lens_of("OPENCV", (1, 1, 0, 0, 0.1, 0.02, 0.003, 0.004), (8, 6), "camera")
    radial = 1 + 0.1 * r2 + 0.02 * r2**2
    u = x * radial + 2 * 0.003 * x * y + 0.004 * (r2 + 2 * x * x)
    v = y * radial + 2 * 0.004 * x * y + 0.003 * (r2 + 2 * y * y)
    assert np.allclose(distort(np.array([x, y]), lens), [u, v])
    lens = lens_of("OPENCV_FISHEYE", (1, 1, 0, 0, 0.1, 0.02, 0.003, 0.004), (8, 6), "camera")
    r = np.sqrt(r2)
    t = np.arctan(r)
    bent = t * (1 + 0.1 * t**2 + 0.02 * t**4 + 0.003 * t**6 + 0.004 * t**8)
    assert np.allclose(distort(np.array([x, y]), lens), [x / r * bent, y / r * bent])


@pytest.mark.parametrize(
    ("model", "values", "reason"),
    [
        ("FOV", (1, 1, 0, 0, 0.5), IngestReason.LENS_MODEL),
        ("CUBE", (1,), IngestReason.LENS_MODEL),
        ("RADIAL", (1, 0, 0), IngestReason.BAD_CAMERA),
        ("PINHOLE", (0, 1, 0, 0), IngestReason.BAD_CAMERA),
    ],
)
def test_lenses_that_are_none_are_refused(model, values, reason):
    with pytest.raises(SceneError) as caught:
        lens_of(model, values, (8, 6), "camera")
    assert caught.value.reason is reason


def test_a_lens_that_folds_the_picture_is_refused():
    with pytest.raises(SceneError, match="no whole picture"):
        pinhole_of(Lens(64, 48, 40, 40, 31.5, 23.5, k=(-40.0, 0, 0, 0, 0, 0)))
