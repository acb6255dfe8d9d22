"""Which tokens of an answer count for its confidence, and which token begins an option's letter.

One rule for the training pass, for a local model and for a server that sends texts of tokens: special tokens, tokens
that end a turn and white space do not count. A tokenizer is whatever has the three members of `Tokenizer`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_contract.options import option_letters


class Tokenizer(Protocol):
    """The part of a tokenizer of the transformers library that is used here."""

    @property
    def all_special_ids(self) -> Any:
        """Ids of the special tokens."""
        ...

    def decode(self, token_ids: Any) -> Any:
        """Turn ids into text."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        """Turn text into ids."""
        ...


def counts(ids: ArrayLike, tokenizer: Tokenizer, ends: Collection[int] = ()) -> NDArray[np.bool_]:
    """Tell for each token whether it belongs to the answer: special tokens, ends and white space do not.

    Parameters
    ----------
    ids : (n,) int
    tokenizer : Tokenizer
    ends : collection of int
        Tokens that end a turn, besides the tokenizer's special ones.

    Returns
    -------
    (n,) bool
    """
    outside = {*tokenizer.all_special_ids, *ends}
    distinct, where = np.unique(np.asarray(ids, dtype=np.int64), return_inverse=True)
    kept = [token not in outside and bool(tokenizer.decode([token]).strip()) for token in distinct.tolist()]
    return np.array(kept, dtype=bool)[where]


def text_counts(token: str) -> bool:
    r"""Tell whether a token counts of which only the text is known, as a server sends it.

    Examples
    --------
    >>> [text_counts(token) for token in ("B", " 12", "\n", "<|im_end|>", "</s>", "<")]
    [True, True, False, False, False, True]
    """
    text = token.strip()
    special = text.startswith("<|") or text in ("</s>", "<eos>", "<end_of_turn>")
    return bool(text) and not special


def letter_tokens(options: Sequence[str] | None, tokenizer: Tokenizer) -> list[int] | None:
    """Give the token that begins each option's letter at the start of an answer.

    Where a letter takes several tokens, its first one stands for it, as long as no other option begins with it: given
    that the answer is one of the letters, the first token then decides which.

    Parameters
    ----------
    options : sequence of str or None
        "A. text", or any form that `option_letters` reads.
    tokenizer : Tokenizer

    Returns
    -------
    list of int or None
        None without options, where an option has no letter, and where two letters begin with one token.
    """
    letters = option_letters(options)
    if letters is None:
        return None
    first = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in letters]
    return first if len(set(first)) == len(first) else None


def letter_logprobs(first: Mapping[str, float], options: Sequence[str] | None) -> list[float] | None:
    """Take the log-probability of each option's letter from those of the likeliest first tokens that a server sends.

    Examples
    --------
    >>> letter_logprobs({"A": -0.1, "B": -2.5, "The": -4.0}, ["A) sofa", "B) bed"])
    [-0.1, -2.5]
    >>> letter_logprobs({"A": -0.1}, ["A) sofa", "B) bed"]) is None
    True
    """
    letters = option_letters(options)
    if letters is None or not all(letter in first for letter in letters):
        return None
    return [first[letter] for letter in letters]
