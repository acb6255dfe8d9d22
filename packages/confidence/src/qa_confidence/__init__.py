"""Calibrated confidence and difficulty labels for the answers of a vision-language model.

The functions here take plain arrays, confidence and score first, and need numpy only; tables, DuckDB and polars are
imported by the commands of `qa-confidence`.
"""

from qa_confidence.calibrators import CALIBRATORS, Calibrator, fit_calibrator
from qa_confidence.errors import InputError, QAConfidenceError
from qa_confidence.metrics import (
    adaptive_ece,
    augrc,
    aurc,
    auroc,
    bootstrap,
    brier,
    cross_entropy,
    debiased_ece,
    e_aurc,
    ece,
    mce,
    smooth_ece,
)

__version__ = "0.1.0"

__all__ = [
    "CALIBRATORS",
    "Calibrator",
    "InputError",
    "QAConfidenceError",
    "adaptive_ece",
    "augrc",
    "aurc",
    "auroc",
    "bootstrap",
    "brier",
    "cross_entropy",
    "debiased_ece",
    "e_aurc",
    "ece",
    "fit_calibrator",
    "mce",
    "smooth_ece",
]
