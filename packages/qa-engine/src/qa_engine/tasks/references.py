"""What questions call the objects of a batch: names, instances, operands and marks as columns."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import polars as pl
from qa_contract.tables import DETAILS, QUESTIONS

from qa_engine.arrays import Rows
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Task
from qa_engine.tasks.columns import gathered, lists_of, mapped


class References:
    """Names and instances of the codes of a batch, as columns that codes are looked up in.

    Codes are those of categories and, above them, of objects. Most batches ask by category alone; the columns of the
    objects are made when the first of them is looked up.

    Parameters
    ----------
    batch : Batch

    Attributes
    ----------
    batch : Batch
    scene_name, dataset : Series
        One per scene.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.profile = batch.profile
        self.scene_name = pl.Series(batch.scene_name, dtype=pl.String)
        self.dataset = pl.Series([part.scene.dataset for part in batch.facts], dtype=pl.String)
        self._columns: dict[str, pl.Series] = {}

    def column(self, name: str, codes: Rows) -> pl.Series:
        """Give the column that some codes can be looked up in.

        Parameters
        ----------
        name : str
            `text` (what a question about the scene says), `category`, `key` (part of a signature), `instance_ids`,
            `seen_ids` (those that the frame set shows), `instance_id` (the first).
        codes : int64 array
        """
        objects = codes.max(initial=-1) >= len(self.batch.categories)
        key = f"{name}/objects" if objects else name
        if key not in self._columns:
            own = self._of_categories(name)
            self._columns[key] = pl.concat([own, self._of_objects(name).cast(own.dtype)]) if objects else own
        return self._columns[key]

    def _of_categories(self, name: str) -> pl.Series:
        batch, category = self.batch, pl.Series(self.batch.categories, dtype=pl.String)
        if name == "key":
            return mapped(category, signature_key)
        if name == "instance_ids":
            return lists_of(pl.Series(batch.instance_id[batch.by_code]), batch.boxes)
        if name == "seen_ids":
            seen = batch.by_code[batch.best_place[batch.by_code] >= 0]
            return lists_of(pl.Series(batch.instance_id[seen]), batch.recognised)
        if name == "instance_id":
            return self.column("instance_ids", np.zeros(0, dtype=np.int64)).list.first()
        return category

    def _of_objects(self, name: str) -> pl.Series:
        batch = self.batch
        ids = pl.Series(batch.instance_id, dtype=pl.Int64)
        if name == "text":
            return pl.Series(batch.object_text, dtype=pl.String)
        if name == "key":
            return "#" + ids.cast(pl.String)
        if name == "instance_id":
            return ids
        if name in ("instance_ids", "seen_ids"):
            return ids.reshape((len(ids), 1)).arr.to_list()
        of_category = self._of_categories(name)
        return of_category.gather(batch.code)

    def written(self, task: Task, roles: Rows, k: int, values: Rows, suffix: str) -> pl.Series:
        """Write values (n,) of role `k` as wordings (no suffix) or programs (`_id`, `_literal`) use them."""
        kind = task.kinds[k] if task.kinds else "name"
        if kind == "number":
            return pl.Series(values).cast(pl.String)
        if kind == "frame":
            frames = self.batch.frames
            return pl.Series((frames.place if suffix == "_id" else frames.number)[values])
        if suffix == "_id":
            return self.column("instance_id", values)[values]
        texts, places = self.texts(task, k, values, roles)
        return (mapped(texts, lambda text: json.dumps(text, ensure_ascii=False)) if suffix else texts)[places]

    def texts(self, task: Task, k: int, codes: Rows, roles: Rows) -> tuple[pl.Series, Rows]:
        """Say what a question calls some codes of role `k`.

        Parameters
        ----------
        task : Task
        k : int
        codes : (n,) or (n, m) int64
        roles : (n, r) int64
            All roles of each question.

        Returns
        -------
        Series, int64 array like `codes`
            Texts, and the place of each code's text among them.
        """
        if task.shows == "video":
            return self.column("text", codes), codes
        if self.batch.reference in ("name", "description"):  # the pool of an image knows whose name is clear there
            return self.column("category", codes), codes
        frame = roles[:, task.frame_of(k)].reshape(-1, *(1,) * (codes.ndim - 1))
        pairs = np.stack([codes, np.broadcast_to(frame, codes.shape)], axis=-1).reshape(-1, 2)
        known, place = np.unique(pairs, axis=0, return_inverse=True)
        names, n = self.batch.categories, len(self.batch.categories)
        texts = [names[code] if code < n else self.batch.image_text(code - n, at) for code, at in known.tolist()]
        frames = task.roles_of_kind("frame")
        which = f" of the {'first' if task.frame_of(k) == frames[0] else 'second'} image" if len(frames) > 1 else ""
        return pl.Series([text + which for text in texts], dtype=pl.String), place.reshape(codes.shape)

    def operands(self, task: Task, roles: Rows) -> pl.Series:
        """List the operands with role, category and instances; `roles` (n, r) are rows of this table."""
        names = task.roles_of_kind("name")
        if not names:
            return pl.Series([[]], dtype=QUESTIONS["operands"]).new_from_index(0, len(roles))
        codes = roles[:, names]
        category = self.column("category", codes)
        instances = self.column("seen_ids" if task.basis.shown == "seen" else "instance_ids", codes)
        by_name = pl.Series([task.roles[k] for k in names])
        by_role = pl.DataFrame(
            {
                "role": by_name.gather(np.repeat(np.arange(len(names)), len(category))),
                "category": pl.concat([category] * len(names)),
                "instance_ids": pl.concat([instances] * len(names)),
            }
        )
        places = codes + np.arange(len(names)) * len(category)
        return gathered(by_role.to_struct("operands"), places)

    def marks(self, task: Task, roles: Rows) -> pl.Series:
        """List what has to be drawn on the frames of each question, (n,)."""
        names = task.roles_of_kind("name")
        dtype = DETAILS["marks"]
        if self.batch.reference != "mark" or not names:
            return pl.Series([None], dtype=dtype).new_from_index(0, len(roles))
        n_categories = len(self.batch.categories)
        rows = roles[:, names] - n_categories
        frames = self.batch.frames
        if task.shows == "frames":
            place = np.stack([frames.place[roles[:, task.frame_of(k)]] for k in names], axis=1)
        else:
            place = np.full(rows.shape, -1)
        known, where = np.unique(np.stack([rows, place], axis=-1).reshape(-1, 2), axis=0, return_inverse=True)
        marks = [None if row < 0 else asdict(self.batch.mark(row, at)) for row, at in known.tolist()]
        column = pl.Series(marks, dtype=dtype.inner)
        return gathered(column, where.reshape(rows.shape)).list.drop_nulls().cast(dtype)


def signature_key(name: str) -> str:
    r"""Escape a category for a signature, whose parts stand between bars.

    Examples
    --------
    >>> signature_key("a|b")
    'a\\|b'
    """
    return name.replace("\\", "\\\\").replace("|", "\\|")
