"""Calibration, proper, ranking and selective metrics on soft scores in [0, 1], with cluster bootstrap intervals."""

from qa_confidence.metrics.bootstrap import Estimate, bootstrap, evaluate, paired_bootstrap
from qa_confidence.metrics.ece import adaptive_ece, debiased_ece, ece, mce, reliability_bins
from qa_confidence.metrics.proper import brier, brier_parts, cross_entropy, spiegelhalter
from qa_confidence.metrics.ranking import auroc, somers_d
from qa_confidence.metrics.registry import METRICS
from qa_confidence.metrics.risk_coverage import augrc, aurc, coverage_at_risk, e_aurc, risk_coverage
from qa_confidence.metrics.smooth_ece import smooth_curve, smooth_ece

__all__ = [
    "METRICS",
    "Estimate",
    "adaptive_ece",
    "augrc",
    "aurc",
    "auroc",
    "bootstrap",
    "brier",
    "brier_parts",
    "coverage_at_risk",
    "cross_entropy",
    "debiased_ece",
    "e_aurc",
    "ece",
    "evaluate",
    "mce",
    "paired_bootstrap",
    "reliability_bins",
    "risk_coverage",
    "smooth_curve",
    "smooth_ece",
    "somers_d",
    "spiegelhalter",
]
