"""Ground truths as they are compared with true answers: choices in words, since options may stand in another order."""

from __future__ import annotations

import string

import polars as pl

WRONG_BELOW = 0.5
"""An answer that scores less than this against another one contradicts it."""

_PLACES = {letter: place for place, letter in enumerate(string.ascii_uppercase)}


def in_words(answer: str, options: str) -> pl.Expr:
    """Give answers in words: the text of the option that a letter names, or the answer itself.

    Parameters
    ----------
    answer, options : str
        Columns of ground truths and of lists such as ``["A. left", "B. right"]``, null where nothing is to choose.

    Examples
    --------
    >>> rows = pl.DataFrame({"truth": ["B", "2.5"], "options": [["A. left", "B. right"], None]})
    >>> rows.select(in_words("truth", "options")).to_series().to_list()
    ['right', '2.5']
    """
    place = pl.col(answer).replace_strict(_PLACES, default=None, return_dtype=pl.Int64)
    option = pl.col(options).list.get(place, null_on_oob=True).str.replace(r"^[A-Z]\. ", "")
    return pl.coalesce(option, pl.col(answer))
