"""Calibration maps from confidence to expected score, fitted on soft targets."""

from __future__ import annotations

from qa_confidence.calibrators.artefact import Calibrator, fit_calibrator
from qa_confidence.calibrators.base import CalibrationMap
from qa_confidence.calibrators.registry import CALIBRATORS, DEFAULT

__all__ = ["CALIBRATORS", "DEFAULT", "CalibrationMap", "Calibrator", "fit_calibrator"]
