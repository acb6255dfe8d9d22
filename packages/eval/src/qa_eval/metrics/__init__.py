"""Metrics over arrays: aggregation, intervals, differences, captions."""

from qa_eval.metrics.aggregate import Aggregate, aggregate
from qa_eval.metrics.bootstrap import Interval, cluster_bootstrap

__all__ = ["Aggregate", "Interval", "aggregate", "cluster_bootstrap"]
