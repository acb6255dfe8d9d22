"""Question types, one file each (the three levels of direction share one)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qa_engine.errors import unknown_name
from qa_engine.tasks import (
    counts,
    directions,
    distances,
    images,
    motion,
    obj_appearance_order,
    object_abs_distance,
    object_counting,
    object_rel_direction,
    object_rel_distance,
    object_size_estimation,
    pairs,
    planning,
    room_size_estimation,
    route_planning,
    sizes,
    structures,
)
from qa_engine.tasks.base import Candidates, Knob, Task, answer_texts
from qa_engine.tasks.shortcuts import BLIND

TASKS: dict[str, Task] = {
    task.question_type: task
    for task in (
        object_counting.TASK,
        object_size_estimation.TASK,
        room_size_estimation.TASK,
        object_abs_distance.TASK,
        object_rel_distance.TASK,
        object_rel_direction.EASY,
        object_rel_direction.MEDIUM,
        object_rel_direction.HARD,
        obj_appearance_order.TASK,
        route_planning.TASK,
        *sizes.TASKS,
        *distances.TASKS,
        *directions.TASKS,
        *counts.TASKS,
        *images.TASKS,
        *motion.TASKS,
        *pairs.TASKS,
        *planning.TASKS,
        *structures.TASKS,
    )
}
"""Question type to task."""

DEFAULT: tuple[str, ...] = tuple(name for name, task in TASKS.items() if task.tags.family == "vsi-bench")
"""Question types that are asked where none is named: those of VSI-Bench."""

TAGS: dict[str, Callable[[Task], tuple[str, ...]]] = {
    "level": lambda task: (task.tags.level,),
    "ability": lambda task: task.tags.abilities,
    "frames": lambda task: (task.tags.frames_needed,),
}
"""What types are tagged by; `TAG:VALUE` stands for those that are tagged so."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "object_rel_direction": tuple(name for name in TASKS if name.startswith("object_rel_direction")),
    **{
        family: tuple(name for name, task in TASKS.items() if task.tags.family == family)
        for family in dict.fromkeys(task.tags.family for task in TASKS.values())
    },
    "all": tuple(name for name in TASKS if name not in BLIND or not BLIND[name].is_shortcut),
    "every": tuple(TASKS),
    **{
        f"{tag}:{value}": tuple(name for name, task in TASKS.items() if value in values(task))
        for tag, values in TAGS.items()
        for value in sorted({value for task in TASKS.values() for value in values(task)})
    },
}
"""Names that stand for several question types; `all` leaves out those that are answered without looking."""


def select_tasks(names: Iterable[str] | None = None) -> list[Task]:
    """Look up tasks by question type or family, in the order of `TASKS`; those of `DEFAULT` where none is named.

    Raises
    ------
    QAEngineError
        There is no such task; the message suggests the closest.

    Examples
    --------
    >>> [task.question_type for task in select_tasks(["object_counting", "object_size_estimation"])]
    ['object_counting', 'object_size_estimation']
    """
    if names is None:
        return [TASKS[name] for name in DEFAULT]
    wanted: set[str] = set()
    for name in names:
        if name not in TASKS and name not in FAMILIES:
            raise unknown_name("task", name, [*TASKS, *FAMILIES], "See 'qa-engine tasks'.")
        wanted.update(FAMILIES.get(name, (name,)))
    return [task for name, task in TASKS.items() if name in wanted]


__all__ = ["BLIND", "DEFAULT", "FAMILIES", "TASKS", "Candidates", "Knob", "Task", "answer_texts", "select_tasks"]
