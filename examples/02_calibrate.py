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

calibrator = fit_calibrator(confidence[fitted], score[fitted], method="isotonic")
calibrated = calibrator.predict(confidence[held_out])

right = score[held_out].mean()
for name, values in (("raw", confidence[held_out]), ("calibrated", calibrated)):
    error, smooth = ece(values, score[held_out]), smooth_ece(values, score[held_out])
    print(f"{name:>10}: says {values.mean():.3f}, is right {right:.3f}, ECE {error:.3f}, smooth {smooth:.3f}")
assert ece(calibrated, score[held_out]) < ece(confidence[held_out], score[held_out]) / 3
