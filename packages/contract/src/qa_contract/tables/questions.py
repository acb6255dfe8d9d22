"""Tables of the question engine: what is asked, why, and what was refused."""

from __future__ import annotations

import polars as pl

from qa_contract.tables.declaration import PROMPT_ID, QUESTION_ID, QUESTION_TYPE, SCENE_NAME, Table, always, maybe

_OPERAND = pl.Struct({"role": pl.String, "category": pl.String, "instance_ids": pl.List(pl.Int64)})
_DIFFICULTY = pl.Struct(
    {
        "count": pl.Int64,
        "distance_m": pl.Float64,
        "size_m": pl.Float64,
        "area_m2": pl.Float64,
        "angle_deg": pl.Float64,
        "n_options": pl.Int64,
    }
)

QUESTIONS = Table(
    name="questions",
    rows="question",
    written_by="`qa-engine generate`",
    about="The first columns are VSI-Bench's own.",
    key=("question_id",),
    columns={
        "question_id": QUESTION_ID,
        "dataset": always(pl.String, "name of the data set"),
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "question": always(pl.String, "the text"),
        "options": maybe(pl.List(pl.String), '"A. text"; null for numbers'),
        "ground_truth": always(pl.String, "letter of the option, the number as text, or JSON"),
        "answer_type": always(pl.String, "choice, integer, number, json"),
        "answer_value": maybe(pl.Float64, "unrounded; null for a choice and for JSON"),
        "answer_low": maybe(pl.Float64, "lower bound under box and pose noise"),
        "answer_high": maybe(pl.Float64, "upper bound under box and pose noise"),
        "unit": maybe(pl.String, "of answer_value"),
        "program": maybe(pl.String, "expression over engine operators that gives the answer"),
        "operands": maybe(pl.List(_OPERAND), "what the question is about"),
        "margin": maybe(pl.Float64, "distance to the next decision border, in margin_unit"),
        "margin_unit": maybe(pl.String, "of margin"),
        "cell": maybe(pl.String, 'one knob of the task cut at fixed edges, for example "count:3"'),
        "difficulty": maybe(_DIFFICULTY, "knobs of the question; null where the type has none"),
        "frame_set_id": maybe(pl.String, "frames shown with the question; null: none"),
        "evidence_frames": maybe(pl.List(pl.String), "frames that show what the answer needs"),
        "signature": maybe(pl.String, "identity of the question across rounds: scene, type, operands, parameters"),
        "proposer": maybe(pl.String, "who wrote the question: template, or llm/PROMPT/MODEL"),
        "prompt_id": PROMPT_ID,
        "profile": maybe(pl.String, "exact, vsi-bench"),
        "round": maybe(pl.Int32, "of the loop; 0 for evaluation questions"),
        "seed": maybe(pl.Int64, "of the command"),
    },
)

_MARK = pl.Struct(
    {
        "frame_id": pl.String,
        "instance_id": pl.Int64,
        "shape": pl.String,
        "colour": pl.String,
        "label": pl.String,
        "box_2d": pl.List(pl.Float64),
    }
)

DETAILS = Table(
    name="details",
    rows="question, in the order of `questions`",
    written_by="`qa-engine generate` with `--reference` or `--paraphrase`",
    about="How each question says what it is about, and what has to be drawn on its frames.",
    key=("question_id",),
    columns={
        "question_id": QUESTION_ID,
        "reference": always(pl.String, "name, description, mark, coordinate"),
        "wording": always(pl.Int32, "number of the wording, 0 for the type's own"),
        "marks": maybe(pl.List(_MARK), "boxes or points with colour and label, in pixels of their frame; null: none"),
    },
)

QUESTION_TYPES = Table(
    name="question_types",
    rows="question type that was asked",
    written_by="`qa-engine generate`",
    about="What each type asks for; `qa-eval` reports scores by it.",
    key=("question_type",),
    columns={
        "question_type": QUESTION_TYPE,
        "family": always(pl.String, "of types that are declared together"),
        "level": always(pl.String, "perception, measurement, relation, transformation, planning"),
        "abilities": always(pl.List(pl.String), "what answering takes, such as depth or counting"),
        "frames_needed": always(pl.String, "one, two, many: how many frames answer the question"),
        "chance": maybe(pl.Float64, "score of a guess on procedural rooms; null where it was not measured"),
        "blind_score": maybe(pl.Float64, "score of the text alone on procedural rooms; null where it was not measured"),
    },
)

CHOICES = Table(
    name="choices",
    rows="question, in the order of `questions`",
    written_by="`qa-engine generate` with `--count` or `--per-scene`, `qa-engine propose`, `qa-engine mix`",
    about="Why each question was asked.",
    key=("question_id",),
    columns={
        "question_id": QUESTION_ID,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "cell": maybe(pl.String, "of the question"),
        "signature": maybe(pl.String, "identity of the question across rounds"),
        "sampler": always(pl.String, "rule that chose, see `--sampler`"),
        "weight": maybe(pl.Float64, "share of the questions that the cell was meant to have"),
        "predicted_confidence": maybe(
            pl.Float64,
            "where candidates were compared: confidence expected before the question is asked; else null",
        ),
        "predicted_frontier": maybe(
            pl.Float64, "worth that they were compared by; sampler predicted: the chance to be at the frontier"
        ),
        "why": maybe(pl.String, "the weight's reason and, where candidates were compared, how this one came first"),
    },
)

REJECTS = Table(
    name="rejects",
    rows="refused item",
    written_by="every command that refuses some",
    about="What was left out and why.",
    columns={
        "stage": always(pl.String, "command that refused"),
        "item": maybe(pl.String, "what was refused: a file, a scene, a question"),
        "scene_name": maybe(pl.String, "name of the scene, unique in a store"),
        "question_type": maybe(pl.String, "see `qa-engine tasks`"),
        "signature": maybe(pl.String, "of the question, where it is one"),
        "reason": always(pl.String, "a code of the closed list of the package"),
        "detail": maybe(pl.String, "the field, what was found, what to do"),
    },
)

BIAS = Table(
    name="bias",
    rows="question",
    written_by="`qa-engine audit`",
    about="How well each question is answered without looking.",
    columns={
        "question_id": QUESTION_ID,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "blind_score": maybe(pl.Float64, "of the forest's answer"),
        "bias": maybe(pl.Float64, "0 to 1: how well the question is answered without looking"),
        "chance": maybe(pl.Float64, "score of a guess"),
        "dropped_in": always(pl.Int64, "iteration of pruning, 0 for those that stay"),
    },
)

PROGRAM_OUTCOMES = Table(
    name="program_outcomes",
    rows="program",
    written_by="`qa-engine run-programs` with an `--out` that ends in `.parquet`",
    about="What became of each program. In JSONL, `value` is the value itself and `id` as it was given.",
    columns={
        "id": always(pl.String, "as it was given"),
        "status": always(pl.String, "ok, or why there is no value"),
        "value": maybe(pl.String, "as JSON"),
        "type": maybe(pl.String, "of the value"),
        "unit": maybe(pl.String, "of the value"),
        "steps": maybe(pl.Int64, "operators that ran"),
        "detail": maybe(pl.String, "what went wrong and where"),
    },
)
