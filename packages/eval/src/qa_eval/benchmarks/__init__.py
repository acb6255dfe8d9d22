"""Benchmarks: which metric a question type has, and how scores are averaged."""

from __future__ import annotations

from qa_eval.benchmarks.all_angles import ALL_ANGLES
from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.blink import BLINK
from qa_eval.benchmarks.cv_bench import CV_BENCH
from qa_eval.benchmarks.dsr_bench import DSR_BENCH
from qa_eval.benchmarks.embspatial import EMBSPATIAL
from qa_eval.benchmarks.erqa import ERQA
from qa_eval.benchmarks.mindcube import MINDCUBE
from qa_eval.benchmarks.mmsi_bench import MMSI_BENCH
from qa_eval.benchmarks.mmsi_video import MMSI_VIDEO
from qa_eval.benchmarks.multi3drefer import MULTI3DREFER
from qa_eval.benchmarks.omnispatial import OMNISPATIAL
from qa_eval.benchmarks.ost_bench import OST_BENCH
from qa_eval.benchmarks.questions import QUESTIONS_TABLE
from qa_eval.benchmarks.realworldqa import REALWORLDQA
from qa_eval.benchmarks.refspatial import REFSPATIAL
from qa_eval.benchmarks.revsi import REVSI
from qa_eval.benchmarks.robospatial import ROBOSPATIAL
from qa_eval.benchmarks.sat import SAT
from qa_eval.benchmarks.scan2cap import SCAN2CAP
from qa_eval.benchmarks.scanqa import SCANQA
from qa_eval.benchmarks.scanrefer import SCANREFER
from qa_eval.benchmarks.site_bench import SITE_BENCH
from qa_eval.benchmarks.spar_bench import SPAR_BENCH
from qa_eval.benchmarks.spatialviz import SPATIALVIZ
from qa_eval.benchmarks.spbench import SPBENCH
from qa_eval.benchmarks.sqa3d import SQA3D
from qa_eval.benchmarks.stare import STARE
from qa_eval.benchmarks.sti_bench import STI_BENCH
from qa_eval.benchmarks.viewspatial import VIEWSPATIAL
from qa_eval.benchmarks.vsi_bench import VSI_BENCH
from qa_eval.benchmarks.vsi_super import VSI_SUPER_COUNT, VSI_SUPER_RECALL
from qa_eval.benchmarks.vsr import VSR
from qa_eval.benchmarks.vsti_bench import VSTI_BENCH
from qa_eval.benchmarks.where2place import WHERE2PLACE
from qa_eval.errors import unknown_name

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        VSI_BENCH,
        REVSI,
        QUESTIONS_TABLE,
        MINDCUBE,
        MMSI_BENCH,
        VIEWSPATIAL,
        EMBSPATIAL,
        ERQA,
        STI_BENCH,
        SPAR_BENCH,
        SCANQA,
        SQA3D,
        BLINK,
        CV_BENCH,
        SITE_BENCH,
        DSR_BENCH,
        REFSPATIAL,
        ROBOSPATIAL,
        WHERE2PLACE,
        SAT,
        REALWORLDQA,
        OMNISPATIAL,
        SPBENCH,
        SPATIALVIZ,
        MMSI_VIDEO,
        OST_BENCH,
        STARE,
        VSI_SUPER_RECALL,
        VSI_SUPER_COUNT,
        VSTI_BENCH,
        ALL_ANGLES,
        VSR,
        SCANREFER,
        MULTI3DREFER,
        SCAN2CAP,
    )
}
"""Name to benchmark; add one's own with ``BENCHMARKS[name] = Benchmark(...)``."""


def find_benchmark(name: str) -> Benchmark:
    """Look up a benchmark.

    Raises
    ------
    QAEvalError
        The name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> find_benchmark("vsi-bench").metrics["object_counting"]
    'mra'
    """
    if name not in BENCHMARKS:
        raise unknown_name("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


__all__ = ["BENCHMARKS", "Benchmark", "find_benchmark"]
