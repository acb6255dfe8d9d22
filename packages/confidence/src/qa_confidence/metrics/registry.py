"""All metrics by name."""

from __future__ import annotations

from qa_confidence.errors import unknown_name
from qa_confidence.metrics.cells import Metric
from qa_confidence.metrics.ece import BinnedError
from qa_confidence.metrics.proper import Mean
from qa_confidence.metrics.ranking import Auroc
from qa_confidence.metrics.risk_coverage import Augrc, Aurc, CoverageAtRisk
from qa_confidence.metrics.smooth_ece import SmoothError

METRICS: dict[str, Metric] = {
    "ece": BinnedError(),
    "adaptive_ece": BinnedError(binning="equal_mass"),
    "debiased_ece": BinnedError(summary="debiased"),
    "smooth_ece": SmoothError(),
    "mce": BinnedError(summary="max"),
    "brier": Mean("brier"),
    "cross_entropy": Mean("cross_entropy"),
    "auroc": Auroc(),
    "aurc": Aurc(),
    "e_aurc": Aurc(excess=True),
    "augrc": Augrc(),
    "coverage_at_risk_0.05": CoverageAtRisk(0.05),
    "coverage_at_risk_0.1": CoverageAtRisk(0.1),
    "coverage_at_risk_0.2": CoverageAtRisk(0.2),
    "mean_confidence": Mean("confidence"),
    "mean_score": Mean("score"),
}
"""Name to metric with its default options."""


def find_metric(metric: str | Metric) -> Metric:
    """Look a metric up by name; a metric is given back.

    Raises
    ------
    QAConfidenceError
        There is no metric of that name.

    Examples
    --------
    >>> find_metric("brier")
    Mean(of_what='brier')
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    return METRICS[metric]
