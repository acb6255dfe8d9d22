"""Calibrated confidence and difficulty labels for the answers of a vision-language model.

Metrics and calibrators take plain arrays, confidence and score first, and need numpy only; `label_predictions` and
`feedback_rows` take the tables as polars frames. The names below are imported when they are first used.

Examples
--------
>>> import qa_confidence
>>> confidence, score = [0.9, 0.8, 0.7, 0.95] * 5, [1, 0.5, 0.5, 1] * 5
>>> round(qa_confidence.ece(confidence, score), 4)
0.1625
>>> calibrator = qa_confidence.fit_calibrator(confidence, score)
>>> qa_confidence.ece(calibrator.predict(confidence), score) < 0.1
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_confidence.calibrators import CALIBRATORS, Calibrator, fit_calibrator
    from qa_confidence.errors import InputError, QAConfidenceError
    from qa_confidence.feedback import feedback_rows
    from qa_confidence.labelling import label_predictions
    from qa_confidence.metrics import (
        METRICS,
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

_MODULES: dict[str, tuple[str, ...]] = {
    "calibrators": ("CALIBRATORS", "Calibrator", "fit_calibrator"),
    "errors": ("InputError", "QAConfidenceError"),
    "feedback": ("feedback_rows",),
    "labelling": ("label_predictions",),
    "metrics": (
        *("METRICS", "adaptive_ece", "augrc", "aurc", "auroc", "bootstrap", "brier", "cross_entropy"),
        *("debiased_ece", "e_aurc", "ece", "mce", "smooth_ece"),
    ),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_confidence' has no attribute '{name}'")
    return getattr(import_module(f"qa_confidence.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "CALIBRATORS", "METRICS", "Calibrator", "InputError", "QAConfidenceError", "adaptive_ece", "augrc", "aurc", "auroc",
    "bootstrap", "brier", "cross_entropy", "debiased_ece", "e_aurc", "ece", "feedback_rows", "fit_calibrator",
    "label_predictions", "mce", "smooth_ece",
]  # fmt: skip
