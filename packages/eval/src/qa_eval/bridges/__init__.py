"""Bridges to other evaluation tools: read their logs, write tasks for them."""

from qa_eval.bridges.lmms_task import write_lmms_task
from qa_eval.bridges.logs import LOGS, log_benchmark, log_parser, read_log

__all__ = ["LOGS", "log_benchmark", "log_parser", "read_log", "write_lmms_task"]
