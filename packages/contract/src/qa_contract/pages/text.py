"""Numbers as text, written alike on all pages. What is missing or not a number is a dash."""

from __future__ import annotations

import math

DASH = "–"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _fixed(value: float, digits: int) -> str:
    """Write a number without a minus before a zero."""
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed number of decimals.

    Examples
    --------
    >>> number(0.12345), number(-0.0001, 1), number(None), number(float("nan")), number(12345.6, 1)
    ('0.123', '0.0', '–', '–', '12,345.6')
    """
    return DASH if value is None or _missing(value) else _fixed(value, digits)


def short(value: float | None) -> str:
    """Write a number with as few characters as tell it, for axes and hover texts.

    Examples
    --------
    >>> short(0.25), short(20000), short(3.0), short(1.5e-7), short(2.5e9)
    ('0.25', '20,000', '3', '1.5e-07', '2.5e+09')
    """
    if value is None or _missing(value):
        return DASH
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    text = _fixed(value, max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in percent.

    Examples
    --------
    >>> percent(0.6543), percent(1, 0), percent(None)
    ('65.4%', '100%', '–')
    """
    return DASH if share is None or _missing(share) else f"{_fixed(100 * share, digits)}%"


def interval(low: float | None, high: float | None, digits: int = 3, *, scale: float = 1.0) -> str:
    """Write an interval; nothing where it is missing.

    Examples
    --------
    >>> interval(0.1, 0.25), interval(0.61, 0.7, 1, scale=100), interval(None, 1)
    ('0.100 to 0.250', '61.0 to 70.0', '')
    """
    if low is None or high is None or _missing(low) or _missing(high):
        return ""
    return f"{_fixed(scale * low, digits)} to {_fixed(scale * high, digits)}"


def percent_interval(share: float | None, low: float | None, high: float | None, digits: int = 1) -> str:
    """Write a share in percent with its interval.

    Examples
    --------
    >>> percent_interval(0.6543, 0.61, 0.7), percent_interval(0.5, None, None)
    ('65.4% (61.0 to 70.0)', '50.0%')
    """
    limits = interval(low, high, digits, scale=100)
    return f"{percent(share, digits)} ({limits})" if limits else percent(share, digits)


def number_interval(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """Write a number with its interval.

    Examples
    --------
    >>> number_interval(0.1234, 0.1, 0.15)
    '0.123 (0.100 to 0.150)'
    """
    limits = interval(low, high, digits)
    return f"{number(value, digits)} ({limits})" if limits else number(value, digits)


def count(n: int | None) -> str:
    """Write a whole number with its thousands apart.

    Examples
    --------
    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return DASH if n is None else f"{n:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> plural(1, "scene"), plural(2000, "scene"), plural(2, "category", "categories")
    ('1 scene', '2,000 scenes', '2 categories')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def seconds(duration: float | None) -> str:
    """Write a duration.

    Examples
    --------
    >>> seconds(0.4213), seconds(12.34), seconds(200), seconds(7500), seconds(None)
    ('0.42 s', '12.3 s', '3 min 20 s', '2 h 05 min', '–')
    """
    if duration is None or _missing(duration):
        return DASH
    if duration < 59.95:
        return f"{duration:.2f} s" if duration < 1 else f"{duration:.1f} s"
    whole = round(duration)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(duration / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def change(before: float | None, after: float | None, digits: int = 3) -> str:
    """Write a value before and after.

    Examples
    --------
    >>> change(0.25, 0.5, 2)
    '0.25 → 0.50'
    """
    return f"{number(before, digits)} → {number(after, digits)}"
