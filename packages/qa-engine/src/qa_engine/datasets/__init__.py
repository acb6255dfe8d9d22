"""Datasets that `qa-engine ingest` can read; a new one is a file and a line here."""

from __future__ import annotations

from qa_engine.datasets.adt import ADT
from qa_engine.datasets.arkitscenes import ARKITSCENES
from qa_engine.datasets.base import Dataset
from qa_engine.datasets.ca1m import CA1M
from qa_engine.datasets.embodiedscan import EMBODIEDSCAN
from qa_engine.datasets.generic import GENERIC
from qa_engine.datasets.hm3d import HM3D
from qa_engine.datasets.hssd import HSSD
from qa_engine.datasets.hypersim import HYPERSIM
from qa_engine.datasets.multiscan import MULTISCAN
from qa_engine.datasets.procthor import PROCTHOR
from qa_engine.datasets.replica import REPLICA
from qa_engine.datasets.rooms import ROOMS
from qa_engine.datasets.rscan import RSCAN
from qa_engine.datasets.scannet import SCANNET
from qa_engine.datasets.scannetpp import SCANNETPP
from qa_engine.datasets.sunrgbd import SUNRGBD
from qa_engine.datasets.vsi_bench import VSI_BENCH
from qa_engine.errors import unknown_name

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        VSI_BENCH,
        ARKITSCENES,
        HYPERSIM,
        MULTISCAN,
        ADT,
        REPLICA,
        PROCTHOR,
        RSCAN,
        SCANNET,
        SCANNETPP,
        EMBODIEDSCAN,
        SUNRGBD,
        CA1M,
        HM3D,
        HSSD,
        GENERIC,
        ROOMS,
    )
}
"""Name on the command line to dataset."""


def get_dataset(name: str) -> Dataset:
    """Look up a dataset.

    Raises
    ------
    QAEngineError
        There is none of this name; the message suggests the closest one.

    Examples
    --------
    >>> get_dataset("vsi-bench").needs_root
    True
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS, "See 'qa-engine datasets'.")
    return DATASETS[name]
