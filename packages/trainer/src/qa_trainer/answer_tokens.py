"""Which tokens of an answer count for its confidence, and which token is an option's letter."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
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


def letter_tokens(options: Sequence[str] | None, tokenizer: Any) -> list[int] | None:
    """Give the token that encodes each option's letter at the start of an answer.

    Parameters
    ----------
    options : sequence of str or None
        "A. text".
    tokenizer : PreTrainedTokenizerBase

    Returns
    -------
    list of int or None
        None without options, where an option has no letter, and where a tokenizer begins two letters with one token.
    """
    letters = [re.match(r"([A-Z])[.)]", option) for option in options or ()]
    if not letters or None in letters:
        return None
    encoded = tokenizer([match[1] for match in letters if match], add_special_tokens=False)["input_ids"]
    first = [ids[0] for ids in encoded]
    return first if len(set(first)) == len(first) else None
