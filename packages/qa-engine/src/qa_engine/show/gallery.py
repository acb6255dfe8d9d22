"""A gallery of a store: HTML pages without scripts or fonts from elsewhere, which open offline."""

from __future__ import annotations

import html
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from qa_contract.files import output_folder

from qa_engine.scenes.scene import Frame, Scene
from qa_engine.show.overlays import boxes_svg, colour_of, plan_svg
from qa_engine.show.selection import Shown, ViewReport, answer_text

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:24px;color:#1c2026;background:#fafbfc}
a{color:#1a5fb4}h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:28px 0 8px}.facts{color:#57606a}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:16px;margin-top:16px}
.card{background:#fff;border:1px solid #d8dee4;border-radius:8px;padding:12px;text-decoration:none;color:inherit}
.card svg{width:100%;height:200px}.card text{display:none}
.frames{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:12px}
figure{margin:0;position:relative;background:#fff;border:1px solid #d8dee4;border-radius:8px;overflow:hidden}
figure div{position:relative}figure img{display:block;width:100%}figure svg{position:absolute;inset:0;width:100%}
figcaption{padding:4px 10px;color:#57606a;font-size:13px}
svg.plan{max-height:640px;width:100%;background:#fff;border:1px solid #d8dee4;border-radius:8px}
.floor{fill:#f1ede4;stroke:#c9bfa8;stroke-width:1.5}.cloud{fill:#9aa4ae;opacity:.35}
polygon.object{fill:var(--c);fill-opacity:.3;stroke:var(--c);stroke-width:1.5}
polygon.shell{fill:none}
path.object{fill:none;stroke:var(--c);stroke-width:2;vector-effect:non-scaling-stroke}
svg text{font-size:11px;text-anchor:middle;dominant-baseline:middle;fill:#1c2026;paint-order:stroke;stroke:#fff;
stroke-width:.25em;stroke-linejoin:round;pointer-events:none}
.camera{fill:#1a5fb4}.view{stroke:#1a5fb4;stroke-width:2;fill:none}
svg text.number{fill:#fff;stroke:none;font-size:9px}.scale{stroke:#1c2026;stroke-width:2}
.dim .object{opacity:.12}.dim .object.on{opacity:1;stroke-width:4;fill-opacity:.7}
table{border-collapse:collapse;width:100%;background:#fff}
td,th{border:1px solid #d8dee4;padding:6px 10px;text-align:left;vertical-align:top}
th{background:#f0f3f6}tr[data-ids]{cursor:pointer}tr[data-ids]:hover{background:#f0f6ff}
.swatch{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px}.answer{font-weight:600}
code{font-size:12px;color:#57606a;overflow-wrap:anywhere}
"""

SCRIPT = """
document.querySelectorAll('tr[data-ids]').forEach(row => row.addEventListener('mouseenter', () => {
  const ids = new Set(row.dataset.ids.split(' '));
  document.body.classList.add('dim');
  document.querySelectorAll('.object').forEach(o => o.classList.toggle('on', ids.has(o.dataset.id)));
}));
document.querySelectorAll('tbody').forEach(t => t.addEventListener('mouseleave', () =>
  document.body.classList.remove('dim')));
"""


def write_gallery(shown: Shown, out: Path, *, max_questions: int = 200, force: bool = False) -> ViewReport:
    """Write `index.html` and a page per scene.

    Parameters
    ----------
    shown : Shown
        Scenes, frames and questions.
    out : Path
        Folder; images are copied into it.
    max_questions : int
        Per scene.
    force : bool
        Replace an existing folder.

    Raises
    ------
    TableError
        `out` exists and `force` is false.
    """
    started = time.perf_counter()
    n_frames = n_questions = 0
    cards: list[str] = []
    with output_folder(out, force=force) as folder:
        for name in shown.names:
            scene, frames, rows = shown.store.load_scene(name), shown.frames(name), shown.questions(name)
            plan = plan_svg(scene, frames, shown.cloud(name))
            (folder / f"{name}.html").write_text(
                _page(scene, plan, _figures(scene, frames, shown.seen, folder), rows[:max_questions], len(rows)),
                encoding="utf-8",
            )
            facts = f"{len(scene)} objects, {len(frames)} frames, {len(rows)} questions"
            title = html.escape(name)
            cards.append(f'<a class="card" href="{quote(name)}.html">{plan}<b>{title}</b><br>{facts}</a>')
            n_frames += len(frames)
            n_questions += len(rows)
        facts = f"{len(shown.names)} of {len(shown.store.scenes)} scenes"
        head = f"<h1>{html.escape(shown.store.path.name)}</h1><p class=facts>{facts}</p>"
        index = _document(shown.store.path.name, f'{head}<div class="cards">{"".join(cards)}</div>')
        (folder / "index.html").write_text(index, encoding="utf-8")
    return ViewReport(len(shown.names), n_frames, n_questions, time.perf_counter() - started)


def _figures(
    scene: Scene, frames: Sequence[Frame], seen: Mapping[tuple[str, str], Collection[int]] | None, folder: Path
) -> list[str]:
    """Copy the images of frames and draw their boxes."""
    figures: list[str] = []
    for number, frame in enumerate(frames, 1):
        if frame.image_path is None:
            continue
        target = folder / "frames" / scene.scene_name / frame.image_path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(frame.image_path, target)
        shown = None if seen is None else seen.get((scene.scene_name, frame.frame_id), {})
        time_s = "" if frame.time_s is None else f", {frame.time_s:.1f} s"
        caption = f"{number}. {html.escape(frame.frame_id)}{time_s}"
        if frame.world_from_camera is None:
            caption += ", no pose"
        link = quote(target.relative_to(folder).as_posix())
        image = f'<img loading="lazy" src="{link}" alt="frame {html.escape(frame.frame_id)}">'
        drawing = boxes_svg(scene, frame, shown)
        figures.append(f"<figure><div>{image}{drawing}</div><figcaption>{caption}</figcaption></figure>")
    return figures


def _page(scene: Scene, plan: str, figures: Sequence[str], rows: Sequence[Mapping[str, Any]], n_rows: int) -> str:
    """Build the page of one scene."""
    area = "" if scene.room_size_m2 is None else f", {scene.room_size_m2:.1f} m²"
    facts = f"{html.escape(scene.dataset)}, split {scene.split}, {len(scene)} objects{area}"
    counts = sorted(scene.category_counts.items(), key=lambda item: (-item[1], item[0]))
    legend = " &nbsp; ".join(
        f'<span class="swatch" style="background:{colour_of(name)}"></span>{html.escape(name)} {n}'
        for name, n in counts
    )
    parts = [
        f'<p><a href="index.html">All scenes</a></p><h1>{html.escape(scene.scene_name)}</h1>',
        f'<p class="facts">{facts}</p><p>{legend}</p><h2>Plan</h2>{plan or "<p>Nothing to draw.</p>"}',
    ]
    if figures:
        parts.append(f'<h2>Frames</h2><div class="frames">{"".join(figures)}</div>')
    if rows:
        more = f" (the first {len(rows)} of {n_rows})" if n_rows > len(rows) else ""
        head = "<tr><th>Type</th><th>Question</th><th>Answer</th></tr>"
        body = "".join(map(_question, rows))
        parts.append(f"<h2>Questions{more}</h2><table><thead>{head}</thead><tbody>{body}</tbody></table>")
    return _document(scene.scene_name, "".join(parts), script=bool(rows))


def _question(row: Mapping[str, Any]) -> str:
    """Build the row of one question; its operands light up in the drawings under the pointer."""
    ids = sorted({number for operand in row["operands"] or () for number in operand["instance_ids"] or ()})
    options = "".join(f"<br>{html.escape(option)}" for option in row["options"] or ())
    answer = answer_text(row)
    program = "" if row["program"] is None else f"<br><code>{html.escape(row['program'])}</code>"
    return (
        f'<tr data-ids="{" ".join(map(str, ids))}"><td>{html.escape(str(row["question_type"]))}</td>'
        f"<td>{html.escape(str(row['question']))}{options}{program}</td>"
        f'<td class="answer">{html.escape(answer)}</td></tr>'
    )


def _document(title: str, body: str, *, script: bool = False) -> str:
    """Wrap a page."""
    code = f"<script>{SCRIPT}</script>" if script else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><body>{body}{code}</body></html>\n"
    )
