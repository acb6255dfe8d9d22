"""Colours of the pages, by what they mean; each has a value for light and one for dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TONES: Mapping[str, tuple[str, str]] = {
    "page": ("#ffffff", "#14171a"),
    "panel": ("#f6f7f9", "#1c2024"),
    "ink": ("#1b2026", "#e7eaed"),
    "soft": ("#58616b", "#a4aeb8"),
    "rule": ("#d6dbe1", "#383f47"),
    "grid": ("#e6e9ed", "#2a3036"),
    "muted": ("#868f99", "#7d8791"),
    "accent": ("#0a5c9e", "#6cbcf0"),
    "good": ("#00694f", "#3fc9a3"),
    "bad": ("#b03c00", "#ff9f5e"),
    "warn": ("#8a5a00", "#f0b84a"),
    "warn-panel": ("#fff6e0", "#2e2614"),
    "s0": ("#0072b2", "#5ab4ec"),
    "s1": ("#d55e00", "#ff8b42"),
    "s2": ("#00916a", "#2fc497"),
    "s3": ("#c0629a", "#e39cc4"),
    "s4": ("#b27700", "#e9b949"),
    "s5": ("#2f94cc", "#a5dbfa"),
    "s6": ("#4a4f55", "#c6ced6"),
    "s7": ("#8f8400", "#f0e442"),
}
"""Name to colour on light and on dark.

`s0` to `s7` tell series and objects apart. They are the palette of Okabe and Ito, "Color Universal Design" (2008),
which people with any common form of colour blindness can tell apart; they are darkened for white and lightened for
black until they stand out against the page by 3 to 1 (WCAG 2.2, 1.4.11). Charts do not rely on them alone: series also
differ by marker and dash.
"""

SERIES = tuple(name for name in TONES if name[0] == "s" and name[1:].isdigit())
"""Tones for series and objects, in the order in which they are used."""

LABEL_TONES: Mapping[str, str] = {"easy": "s5", "frontier": "s0", "hard": "s1", "suspect": "s3"}
"""Tone of each label of difficulty, the same on all pages."""

RUN_TONES: Mapping[str, str] = {"model": "s0", "blind": "s1", "majority": "s4", "oracle": "s6"}
"""Tone of the model and of what it is compared with, the same on all pages."""


def series_tone(i: int) -> str:
    """Tone of the series with number `i`, again from the start after eight.

    Examples
    --------
    >>> series_tone(0), series_tone(9)
    ('s0', 's1')
    """
    return SERIES[i % len(SERIES)]


def tones_of(names: Iterable[str]) -> dict[str, str]:
    """Give each name a tone, in order of appearance.

    Examples
    --------
    >>> tones_of(["chair", "table", "chair"])
    {'chair': 's0', 'table': 's1'}
    """
    return {name: series_tone(i) for i, name in enumerate(dict.fromkeys(names))}


def palette_css() -> str:
    """Write the tones as CSS: variables for light, dark and print, and the classes `f-NAME`, `k-NAME` and `t-NAME`.

    `f-` fills a shape, `k-` strokes it, `t-` colours text.
    """
    light = "".join(f"--{name}:{colour};" for name, (colour, _) in TONES.items())
    dark = "".join(f"--{name}:{colour};" for name, (_, colour) in TONES.items())
    classes = "".join(
        f".f-{name}{{fill:var(--{name})}}.k-{name}{{stroke:var(--{name})}}.t-{name}{{color:var(--{name})}}\n"
        for name in TONES
    )
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n{classes}"
    )
