"""Tables that the packages exchange, each declared once.

`DECLARATIONS` holds what is known about each: meaning and nullability of the columns, key, version. `TABLES` and the
constants are their schemas, column name to polars dtype, as readers and writers take them. A reader that needs a few
columns names them (``read_table(..., columns=[...])``); it declares no schema of its own.
"""

from __future__ import annotations

from qa_contract.tables import answers, experiments, questions, reviews, scenes
from qa_contract.tables.declaration import Column, Schema, Table

DECLARATIONS: dict[str, Table] = {
    table.name: table
    for table in (
        *(scenes.SCENES, scenes.OBJECTS, scenes.FRAMES, scenes.FRAME_SETS, scenes.OBSERVATIONS),
        *(scenes.CLOUD, scenes.MESH),
        *(questions.QUESTIONS, questions.DETAILS, questions.QUESTION_TYPES, questions.CHOICES, questions.REJECTS),
        *(answers.PREDICTIONS, answers.METRICS, answers.CONFIDENCE, answers.FEEDBACK, answers.SCORES),
        *(questions.BIAS, questions.PROGRAM_OUTCOMES),
        reviews.REVIEWS,
        *(experiments.POOL_FLAGS, experiments.UNIT_SCORES, experiments.UNIT_COSTS, experiments.UNIT_COUNTS),
        experiments.SAVINGS,
    )
}
"""Table name to declaration."""

TABLES: dict[str, Schema] = {name: table.schema for name, table in DECLARATIONS.items()}
"""Table name to schema."""

VERSIONS: dict[str, str] = {name: table.version for name, table in DECLARATIONS.items()}
"""Table name to the version that is written."""

REVIEWS = TABLES["reviews"]
SCENES = TABLES["scenes"]
OBJECTS = TABLES["objects"]
FRAMES = TABLES["frames"]
FRAME_SETS = TABLES["frame_sets"]
OBSERVATIONS = TABLES["observations"]
CLOUD = TABLES["cloud"]
MESH = TABLES["mesh"]
QUESTIONS = TABLES["questions"]
DETAILS = TABLES["details"]
QUESTION_TYPES = TABLES["question_types"]
CHOICES = TABLES["choices"]
REJECTS = TABLES["rejects"]
PREDICTIONS = TABLES["predictions"]
METRICS = TABLES["metrics"]
CONFIDENCE = TABLES["confidence"]
FEEDBACK = TABLES["feedback"]
SCORES = TABLES["scores"]
BIAS = TABLES["bias"]
PROGRAM_OUTCOMES = TABLES["program_outcomes"]
POOL_FLAGS = TABLES["pool_flags"]
UNIT_SCORES = TABLES["unit_scores"]
UNIT_COSTS = TABLES["unit_costs"]
UNIT_COUNTS = TABLES["unit_counts"]
SAVINGS = TABLES["savings"]


def tables_markdown() -> str:
    """Describe every table for people, a section each."""
    return "\n\n".join(table.markdown() for table in DECLARATIONS.values()) + "\n"


__all__ = [
    "BIAS", "CHOICES", "CLOUD", "CONFIDENCE", "DECLARATIONS", "DETAILS", "FEEDBACK", "FRAMES", "FRAME_SETS", "MESH",
    "METRICS", "OBJECTS", "OBSERVATIONS", "POOL_FLAGS", "PREDICTIONS", "PROGRAM_OUTCOMES", "QUESTIONS", "REJECTS",
    "REVIEWS", "SAVINGS", "SCENES", "SCORES", "TABLES", "UNIT_COSTS", "UNIT_COUNTS", "UNIT_SCORES", "VERSIONS",
    "Column", "Schema", "Table", "tables_markdown",
]  # fmt: skip
