"""Which tokens of an answer count for its confidence: one rule for training and scoring."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray


def counts(ids: NDArray[np.integer], tokenizer: Any, ends: Collection[int] = ()) -> NDArray[np.bool_]:
    """Tell for each token whether it belongs to the answer: special tokens, ends and white space do not.

    Parameters
    ----------
    ids : (n,) int
    tokenizer : PreTrainedTokenizerBase
    ends : collection of int
        Tokens that end a turn, besides the tokenizer's special ones.

    Returns
    -------
    (n,) bool
    """
    outside = {*tokenizer.all_special_ids, *ends}
    distinct, where = np.unique(ids, return_inverse=True)
    kept = [token not in outside and bool(tokenizer.decode([token]).strip()) for token in distinct.tolist()]
    return np.array(kept, dtype=bool)[where]
