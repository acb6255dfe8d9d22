"""Calibration maps from confidence to expected score, fitted on soft targets."""

from __future__ import annotations

from qa_confidence.calibrators.artefact import Calibrator, fit_calibrator
from qa_confidence.calibrators.base import CalibrationMap
from qa_confidence.calibrators.registry import CALIBRATORS

__all__ = ["CALIBRATORS", "CalibrationMap", "Calibrator", "fit_calibrator"]
