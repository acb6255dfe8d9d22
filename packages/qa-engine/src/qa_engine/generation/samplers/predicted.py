"""Sampler `predicted`: cells as `learning`; within a cell, what a model of earlier answers expects at the frontier."""

from __future__ import annotations

from typing import ClassVar

from qa_engine.generation.samplers.items import Item, ItemSampler
from qa_engine.generation.samplers.learning import Learning


class Predicted(ItemSampler, Learning):
    """Weighs cells as `learning` does; within a cell it keeps what the model expects at the frontier."""

    about: ClassVar[str] = "cells as learning; within a cell, first what a model of earlier answers expects"
    item: ClassVar[Item] = Item("frontier", "most likely at the frontier", "at the frontier with {}")
