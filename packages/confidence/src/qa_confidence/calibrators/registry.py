"""Names of the calibration maps."""

from __future__ import annotations

from qa_confidence.calibrators.base import CalibrationMap
from qa_confidence.calibrators.beta import BetaMap
from qa_confidence.calibrators.histogram import HistogramMap
from qa_confidence.calibrators.identity import IdentityMap
from qa_confidence.calibrators.isotonic import IsotonicMap
from qa_confidence.calibrators.platt import PlattMap
from qa_confidence.calibrators.temperature import TemperatureMap

CALIBRATORS: dict[str, type[CalibrationMap]] = {
    "identity": IdentityMap,
    "temperature": TemperatureMap,
    "platt": PlattMap,
    "beta": BetaMap,
    "isotonic": IsotonicMap,
    "histogram": HistogramMap,
}
"""Name to class; all but `histogram` keep the order of confidences."""

DEFAULT = "platt"
"""What is fitted when nothing is chosen; docs/confidence.md has the figures behind it."""
