from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from qa_eval.errors import QAEvalError
from qa_eval.runs.degrade import DAMAGES, Damage, area_under_curve, degrade_file, degrade_image, parse_damages

RNG = np.random.default_rng(0)
SMOOTH = np.kron(RNG.integers(30, 226, (10, 13, 3)), np.ones((5, 5, 1))).astype(np.uint8)
PHOTO = Image.fromarray(SMOOTH)


def error(kind: str, level: int) -> float:
    damaged = degrade_image(PHOTO, Damage(kind, level), rng=np.random.default_rng(1))
    assert damaged.size == PHOTO.size
    return float(np.abs(np.asarray(damaged, dtype=float) - SMOOTH).mean())


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_grows_with_the_level(kind):
    errors = [error(kind, level) for level in range(1, 6)]
    assert errors[0] > 0
    assert errors[4] > 1.5 * errors[0]
    assert all(b > 0.8 * a for a, b in pairwise(errors))  # resampling meets the pattern's own grid


def test_same_seed_and_content_give_the_same_bytes(tmp_path):
    PHOTO.save(tmp_path / "a.png")
    PHOTO.save(tmp_path / "b.png")
    one, two, other = (
        degrade_file(tmp_path / name, tmp_path / out, Damage("noise", 2), seed=seed).read_bytes()
        for name, out, seed in (("a.png", "1.png", 0), ("b.png", "2.png", 0), ("a.png", "3.png", 1))
    )
    assert one == two != other


def test_fog_follows_depth_where_there_is_one():
    depth = np.ones((50, 65))
    depth[:, 32:] = 9.0
    depth[0, 0] = 0.0  # unknown counts as far
    foggy = np.asarray(degrade_image(PHOTO, Damage("fog", 3), rng=RNG, depth_m=depth), dtype=float)
    change = np.abs(foggy - SMOOTH).mean(axis=(0, 2))
    assert change[32:].mean() > 2 * change[:32].mean()


def test_text_of_the_option():
    assert parse_damages("rain:3") == [Damage("rain", 3)]
    assert len(parse_damages("blur,noise")) == 10
    with pytest.raises(QAEvalError, match="Did you mean 'fog'"):
        parse_damages("fogg:1")
    with pytest.raises(QAEvalError, match="1 to 5"):
        parse_damages("fog:9")


def test_area_under_a_flat_curve_is_its_height():
    assert area_under_curve({1: 0.4, 3: 0.4, 5: 0.4}, 0.4) == pytest.approx(0.4)
    assert area_under_curve({1: 0.0}, 1.0) == pytest.approx(0.1)
