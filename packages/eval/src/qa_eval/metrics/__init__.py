"""Metrics over arrays: relative accuracy, choices, aggregation, intervals."""

from qa_eval.metrics.aggregate import Aggregate, aggregate
from qa_eval.metrics.bootstrap import Interval, cluster_bootstrap
from qa_eval.metrics.choice import choice_accuracy
from qa_eval.metrics.mra import mean_relative_accuracy

__all__ = ["Aggregate", "Interval", "aggregate", "choice_accuracy", "cluster_bootstrap", "mean_relative_accuracy"]
