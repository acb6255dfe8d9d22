"""Confidence that means what it says: fit a calibrator on some answers, measure it on others.

uv run python examples/02_calibrate.py
"""

import numpy as np
from qa_confidence import ece, fit_calibrator, smooth_ece

# A model that is too sure of itself: it is right less often than its confidence says, above all where it guesses.
rng = np.random.default_rng(0)
truth = rng.beta(2, 2, size=4000)  # chance that an answer is right
confidence = truth ** (1 / 3)
score = (rng.random(4000) < truth).astype(float)
fitted, held_out = slice(0, 2000), slice(2000, 4000)

calibrator = fit_calibrator("isotonic", confidence[fitted], score[fitted])
calibrated = calibrator(confidence[held_out])

for name, values in (("raw", confidence[held_out]), ("calibrated", calibrated)):
    error, smooth = ece(values, score[held_out]), smooth_ece(values, score[held_out])
    print(f"{name:>10}: mean {values.mean():.3f}, right {score[held_out].mean():.3f}, ECE {error:.3f}, smooth {smooth:.3f}")
assert ece(calibrated, score[held_out]) < ece(confidence[held_out], score[held_out]) / 3
