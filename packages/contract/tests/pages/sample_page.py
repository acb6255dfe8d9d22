"""A page with every component of the kit, from made data; run it to look at it: `python sample_page.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw
from qa_contract import pages as kit

NASTY = "a b&c<script>alert(1)</script>"
TYPES = [
    "object_counting",
    "object_abs_distance",
    "object_rel_distance",
    "object_rel_direction",
    "object_size_estimation",
    "room_size_estimation",
    "obj_appearance_order",
    "route_planning",
]
CATEGORIES = ["chair", "table", "sofa", "lamp", "monitor", "bookshelf", "trash can", "potted plant", "window", "door"]


def room(seed: int = 3, n: int = 26) -> list[kit.PlanObject]:
    """Furniture on 6 by 5 metres, with a crowd of small things on one table."""
    rng = np.random.default_rng(seed)
    names = [CATEGORIES[i % len(CATEGORIES)] for i in range(n)]
    tones = kit.tones_of(CATEGORIES)
    objects = []
    for i, name in enumerate(names):
        small = i >= n - 8
        center = (
            [1.6, 1.4, 0.9] + rng.uniform(-0.5, 0.5, 3) * [1, 0.7, 0.1]
            if small
            else rng.uniform([0.4, 0.4, 0.3], [5.6, 4.6, 0.6])
        )
        size = rng.uniform(0.1, 0.25, 3) if small else rng.uniform([0.4, 0.4, 0.5], [1.3, 0.8, 1.2])
        angle = rng.uniform(0, np.pi)
        rotation = [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        objects.append(kit.PlanObject(i, name, center, size, rotation, tone=tones[name]))
    return objects


def cameras() -> list[kit.PlanCamera]:
    """Four cameras that look into the room."""
    found = []
    for i, (x, y, yaw) in enumerate([(0.3, 0.3, 40), (5.7, 0.4, 130), (5.6, 0.6, 150), (3, 4.8, -90)], 1):
        ahead = np.array([np.cos(np.radians(yaw)), np.sin(np.radians(yaw)), -0.2])
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0, 0, 1])
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.column_stack([right, np.cross(ahead, right), ahead])
        pose[:3, 3] = [x, y, 1.5]
        found.append(kit.PlanCamera(pose, str(i), tip=f"frame {i}"))
    return found


def frame(path: Path, boxes: list[list[float]]) -> None:
    """A picture with coloured boxes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Picture.new("RGB", (640, 480), "#b9b2a6")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 300, 640, 480), fill="#8d7b68")
    for i, box in enumerate(boxes):
        pen.rectangle(box, fill=("#7a8ea3", "#a3877a", "#8aa37a", "#a39b7a")[i % 4])
    image.save(path)


def charts() -> list[kit.Figure]:
    """One chart of each kind, and what they do with little, with much and with nothing."""
    rng = np.random.default_rng(0)
    rounds = np.arange(5)
    axis = kit.Axis("round", ticks=tuple(range(5)))
    score = np.array([0.31, 0.42, 0.5, 0.55, 0.57])
    lines = kit.line_chart(
        [
            kit.Series("model", rounds, score, score - 0.04, score + 0.04, tone="s0"),
            kit.Series("blind", rounds, score * 0.6, score * 0.6 - 0.03, score * 0.6 + 0.03, tone="s1"),
        ],
        title="Score over rounds",
        x=axis,
        y=kit.percent_axis("mean score"),
        levels=[kit.Level("majority", 0.28, 0.25, 0.31, tone="s4"), kit.Level("oracle", 0.98, tone="s6")],
    )
    samples = np.array([100, 300, 1000, 3000, 10_000, 30_000])
    arms = ["static mix", "gates only", "shuffled feedback", "feedback"]
    budget = kit.line_chart(
        [
            kit.Series(
                arm,
                samples,
                v := 0.25 + (0.08 + 0.02 * k) * np.log10(samples / 80),
                v - 0.03,
                v + 0.03,
                interval="whiskers",
            )
            for k, arm in enumerate(arms)
        ],
        title="Score against samples, logarithmic",
        x=kit.Axis("training questions", log=True),
        y=kit.percent_axis("held-out score", high=0.7),
    )
    means = rng.uniform(0.2, 0.9, (2, len(TYPES)))
    bars = kit.bar_chart(
        TYPES,
        [
            kit.BarSeries(name, means[k], means[k] - 0.05, means[k] + 0.05)
            for k, name in enumerate(["run A", "run <B>"])
        ],
        title="Score per question type",
        x=kit.percent_axis("mean score"),
    )
    ratio = np.array([1.2, 2.1, 4.8, 9.5])
    dots = kit.bar_chart(
        ["0% waste", "50% waste", "75% waste", "90% waste"],
        [kit.BarSeries("saving", ratio, ratio / 1.4, ratio * 1.5)],
        title="Saving of samples against the static mix",
        x=kit.Axis("times fewer samples", log=True),
        dots=True,
        reference=1.0,
    )
    values = rng.beta(2, 2, 4000)
    counts, edges = np.histogram(values, bins=20, range=(0, 1))
    middle = (edges[:-1] + edges[1:]) / 2
    tones = [kit.LABEL_TONES["hard" if m < 0.1 else "easy" if m > 0.9 else "frontier"] for m in middle]
    histogram = kit.histogram(
        counts,
        edges,
        title="Training questions by confidence",
        x=kit.Axis("confidence in the ground truth"),
        y=kit.Axis("questions"),
        tones=tones,
        cuts=[(0.1, "hard below 0.1"), (0.9, "easy above 0.9")],
        legend=[(label, kit.LABEL_TONES[label]) for label in ("hard", "frontier", "easy")],
    )
    x = np.linspace(0, 1, 80)
    curve = np.where((x > 0.05) & (x < 0.97), x**1.4, np.nan)
    bins = np.linspace(0.05, 0.95, 10)
    reliability = kit.reliability_diagram(
        kit.Reliability(bins, bins**1.4, 40 + 200 * bins, x, curve, curve - 0.05, curve + 0.05, counts / counts.sum()),
        title="Reliability after calibration",
    )
    shares = kit.share_bars(
        {
            f"round {i}": {"hard": 400 - 90 * i, "frontier": 300 + 60 * i, "easy": 30 + 30 * i, "suspect": 12}
            for i in range(4)
        },
        tones=kit.LABEL_TONES | {},
        title="Labels per round",
        label="share of the round's training questions",
    )
    few = kit.scatter(
        [
            kit.Series(kind, rng.lognormal(1 + k, 0.5, 25), rng.lognormal(k, 0.6, 25))
            for k, kind in enumerate(["exact", "vsi-bench"])
        ],
        title="Two answers, metres",
        x=kit.Axis("exact, m", log=True),
        y=kit.Axis("recipe, m", log=True),
        diagonal=True,
    )
    many = kit.scatter(
        [kit.Series("all", *rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 20_000).T)],
        title="20,000 points",
        x=kit.Axis("x"),
        y=kit.Axis("y"),
    )
    walk = kit.line_chart(
        [kit.Series("loss", np.arange(50_000), 3 * np.exp(-np.arange(50_000) / 9000) + rng.normal(0, 0.05, 50_000))],
        title="50,000 steps",
        x=kit.Axis("step"),
        y=kit.Axis("loss"),
    )
    nothing = kit.line_chart([kit.Series("none", [np.nan], [np.nan])], title="Nothing measured", x=kit.Axis("round"))
    found = [lines, budget, bars, dots, histogram, reliability, shares, few, many, walk, nothing]
    return [chart.figure() for chart in found]


def plans() -> list[kit.Part]:
    """Plans of a crowded room: all labels, and three explained answers."""
    objects, floor = room(), [(0, 0), (6, 0), (6, 3.2), (4.6, 3.2), (4.6, 5), (0, 5)]
    whole = kit.Room(objects, floor, cameras()).above(title="Plan of the room")
    a, b, c = objects[2], objects[5], objects[7]
    grey = [kit.PlanObject(o.instance_id, o.category, o.center, o.size, o.rotation) for o in objects]

    def explained(marks, ids, tones):
        return kit.Room(kit.with_operands(grey, tones, ids), floor, cameras(), marks)

    distance = explained([kit.Distance(a.center, b.center, "2.431 m")], [[2], [5]], ["s0", "s1"])
    both = kit.stack(
        [
            distance.above(title="from above", labels="asked"),
            distance.side(np.array(b.center) - np.array(a.center), title="from the side"),
        ],
        title="A distance",
    )
    direction = explained(
        [
            kit.Sector(a.center, 20, 110, label="front left"),
            kit.Arrow(a.center, b.center, "ahead", "s1"),
            kit.Arrow(a.center, c.center, "turn 63.2°", "s2"),
        ],
        [[2], [5], [7]],
        ["s0", "s1", "s2"],
    )
    crowd = explained(
        [
            kit.Route([o.center for o in (a, b, c)], ["begin", "1st stop", "goal"]),
            kit.PointMark([3, 2.5], "free spot", "s3"),
        ],
        [list(range(18, 26))],
        ["s1"],
    )
    figures = [
        kit.Figure(whole.svg(), "All objects", note=whole.desc),
        kit.Figure(both.svg(), "A distance, from above and from the side"),
        kit.Figure(direction.above(title="A direction", labels="asked").svg(), "A direction"),
        kit.Figure(crowd.above(title="A count in a crowd", labels="asked").svg(), "A count in a crowd, and a route"),
        kit.Figure(
            kit.Room(objects[:5], cloud=np.random.default_rng(1).uniform([0, 0, 0], [6, 5, 2], (3000, 3)))
            .above(title="No outline")
            .svg(),
            "Without an outline, with a cloud",
        ),
    ]
    return [kit.Columns(figures, "wide")]


def frames(folder: Path, *, labels: str = "all", size: str = "large", shown_px: float = 340.0) -> kit.Strip:
    """Frames with outlines, one whose image is lost."""
    boxes = [[40, 200, 220, 420], [180, 180, 330, 400], [300, 60, 420, 260], [430, 250, 630, 470]]
    images = []
    for i in range(3):
        path = folder / "frames" / NASTY / f"{i} #%.png"
        frame(path, boxes)
        outlines = [
            kit.Outline(kit.rectangle(box), k + 2, name, tone=kit.series_tone(k), asked=k == 0)
            for k, (box, name) in enumerate(zip(boxes, ["sofa", "lamp", "bookshelf", "monitor"], strict=True))
        ]
        svg = kit.overlay(outlines, 640, 480, shown_px=shown_px, labels=labels)
        images.append(
            kit.Image(kit.href(path, folder), f"frame {i}", f"{i + 1}. frame {i}, {1.5 * i:.1f} s", 640, 480, svg)
        )
    return kit.Strip([*images, kit.Image(None, "frame 3", "4. frame 3, no pose")], size)


def cards(folder: Path) -> kit.Cards:
    """Answered questions."""
    found = []
    strip = frames(folder, labels="asked", size="small", shown_px=150.0)
    plan = kit.Room(
        kit.with_operands(
            [kit.PlanObject(o.instance_id, o.category, o.center, o.size, o.rotation) for o in room()],
            ["s0", "s1"],
            [[2], [5]],
        )
    ).above(title="plan", width=380, labels="asked")
    for i in range(12):
        right = i % 3 != 0
        found.append(
            kit.Card(
                TYPES[i % len(TYPES)],
                [
                    f"Measuring from the closest points, how far is the sofa from the lamp, in metres (question {i})?",
                    kit.Items(["A. 1.2", "B. 2.4", f"C. {NASTY}"]),
                    strip,
                    kit.Figure(plan.svg()),
                    kit.Facts(
                        [("ground truth", "B"), ("model", "B. 2.4" if right else "A. 1.2"), ("confidence", "0.913")]
                    ),
                    kit.Details("Program", [kit.Pre("distance_m(2, 5)")]),
                ],
                mark="right" if right else "wrong",
                tone="good" if right else "bad",
                note=NASTY,
                tags={
                    "type": TYPES[i % len(TYPES)],
                    "result": "right" if right else "wrong",
                    "label": ("easy", "hard")[i % 2],
                },
                ids=[2, 5],
            )
        )
    return kit.Cards(found, filters=("type", "result", "label"), search=True)


def scores() -> kit.Table:
    """Scores with intervals, swatches, a missing value and totals."""
    rng = np.random.default_rng(1)
    columns = [
        kit.Column("question type", "text"),
        kit.Column("n"),
        kit.Column("run A", tone="s0"),
        kit.Column("run <B>", tone="s1"),
        kit.Column("seconds", format=lambda v: f"{v:.1f}"),
        kit.Column("meaning", "prose"),
    ]
    rows = [
        [
            name,
            int(rng.integers(3, 4000)),
            kit.percent_cell(v := float(rng.uniform()), v - 0.04, v + 0.04),
            kit.percent_cell(None if i == 3 else v / 2, v / 2 - 0.03, v / 2 + 0.03),
            float(rng.uniform(1, 99)),
            "What the type asks, in a sentence that is long enough to wrap.",
        ]
        for i, name in enumerate([*TYPES, NASTY])
    ]
    totals = [["overall", 12345, kit.percent_cell(0.512, 0.49, 0.53), kit.percent_cell(0.25, 0.22, 0.27), None, ""]]
    return kit.Table(columns, rows, totals, caption="Mean score in percent with 95% interval", id="score-table")


def sample_page(folder: Path) -> kit.Page:
    """Build the page."""
    heat = kit.Table(
        ["question type", *(f"round {i}" for i in range(4))],
        [[name, *(kit.Cell(10 * k * i, heat=k * i / 21) for i in range(4))] for k, name in enumerate(TYPES)],
        caption="Questions per round",
    )
    operands = kit.Table(
        [kit.Column("question", "prose"), kit.Column("answer"), kit.Column("program", "code")],
        [
            kit.Row(["How far is the sofa from the bookshelf?", "2.431 m", "distance_m(2, 5)"], ids=[2, 5]),
            kit.Row(["How many chairs?", 3, "count('chair')"], ids=[0, 10, 20]),
        ],
    )
    return kit.Page(
        title=f"Every component: {NASTY}",
        subtitle="A page from made data, to look at.",
        facts=[("model", "tiny, 1.2M parameters"), ("benchmark", "VSI-Bench"), ("parser", "official"), ("seed", "0")],
        warnings=["12 of 5,130 questions have no score (unreadable 12); the scores leave them out."],
        trail=[kit.Link("All scenes", kit.href("index.html"))],
        pages=[
            kit.Link("Evaluation", kit.href("eval/report.html"), "scores per type"),
            kit.Link("Calibration", kit.href("confidence/report.html")),
        ],
        sections=[
            kit.Section(
                "Scores",
                [
                    "After round 3 the model scores 51.2% on 937 held-out questions (round 0: 31.0%).",
                    scores(),
                    kit.Note("95% intervals by a bootstrap over scenes. Click a heading to sort."),
                ],
            ),
            kit.Section("Charts", [kit.Key([("model", "s0"), ("blind", "s1")]), kit.Columns(charts())]),
            kit.Section("Plans", plans()),
            kit.Section("Frames", [frames(folder), operands]),
            kit.Section("Answers", [cards(folder)]),
            kit.Section(
                "Questions",
                [
                    heat,
                    kit.Heading("Details"),
                    kit.Warn("A warning inside a section."),
                    kit.Details(
                        "Configuration",
                        [
                            kit.Pre("seed = 0\n" + "long " * 60),
                            kit.Facts([("python", "3.11"), ("path", "/a/very/" + "long/" * 30)]),
                        ],
                    ),
                ],
            ),
            kit.Section(
                "Scores",
                [
                    kit.Links(
                        [
                            kit.Link(
                                NASTY,
                                kit.href(f"{NASTY}.html"),
                                "12 objects",
                                kit.Room(room()).above(title="", labels="none").svg(),
                            ),
                            kit.Link("scene 2", kit.href("scene 2.html"), "30 objects"),
                        ]
                    ),
                    kit.Fragment("<p>By hand: <b>{{ name }}</b></p>", {"name": NASTY}),
                ],
            ),
        ],
        data={"answers": {"name": NASTY, "n": 3}},
        footer="Made by a test.",
    )


def write_sample(folder: Path) -> Path:
    """Write the page and one that it links."""
    path = folder / "page.html"
    path.write_text(sample_page(folder).html(), encoding="utf-8")
    index = kit.Page("All scenes", [kit.Section("Scenes", [kit.Links([kit.Link("The page", kit.href(path, folder))])])])
    (folder / "index.html").write_text(index.html(), encoding="utf-8")
    return path


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
