"""The columns of the runs that somebody looks at, read on at each question and at no other time."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.lab import keep
from trainwright.lab.columns import Column, Drawn, Numbers, draw, smoothed
from trainwright.lab.follow import Follower
from trainwright.lab.shelf import Item
from trainwright.records import to_plain
from trainwright.runs.layout import METRICS

AXES = ("step", "epoch", "time")
_OPEN = 12
"""Runs whose columns stay in memory."""


class Curves:
    """Followers of runs, by the runs' identifiers; the ones looked at last stay open."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._open: OrderedDict[str, tuple[Follower, threading.Lock]] = OrderedDict()
        self._guard = threading.Lock()

    def tags(self, item: Item) -> dict[str, Any]:
        """Return the names of all columns, with how many points and what last value each has."""
        follower, lock = self._follower(item)
        with lock:
            read = self._refresh(follower)
            columns = follower.columns.items()
            tags = [{"tag": tag, "points": each.size, "last": float(each.y[-1])} for tag, each in columns if each.size]
            return {"tags": tags, "read": read, "torn": follower.torn, "last_step": _last(follower.steps())}

    def series(
        self,
        item: Item,
        tags: Sequence[str],
        *,
        axis: str = "step",
        start: float | None = None,
        end: float | None = None,
        pixels: int = 800,
        half_life: float = 0.0,
        soft: Sequence[str] | None = None,
        per_epoch: float | None = None,
    ) -> tuple[dict[str, Any], list[tuple[str, Drawn]]]:
        """Return what is drawn of some columns over steps, epochs or seconds, and how much of the file was read.

        Those in `soft`, all where it is None, come smoothed too, under their names with a tilde.
        """
        follower, lock = self._follower(item)
        with lock:
            read = self._refresh(follower)
            drawn = []
            for tag in tags:
                column = follower.columns.get(tag)
                if column is None or not column.size:
                    continue
                x = _on_axis(follower, column, axis, per_epoch)
                drawn.append((tag, draw(x, column.y, start=start, end=end, pixels=pixels)))
                if half_life > 0 and column.size > 2 and (soft is None or tag in soft):
                    means = smoothed(column.x, column.y, half_life)
                    drawn.append((f"{tag}~", draw(x, means, start=start, end=end, pixels=pixels)))
            return {"read": read, "axis": axis, "last_step": _last(follower.steps())}, drawn

    def layers(self, item: Item, field: str, *, most: int = 400) -> dict[str, Any]:
        """Return one number of all layers over the steps: `values[layer][k]` at `steps[k]`, NaN where it is missing."""
        follower, lock = self._follower(item)
        with lock:
            self._refresh(follower)
            suffix = f"/{field}"
            found = [
                (tag.removeprefix("layer/").removesuffix(suffix), column)
                for tag, column in follower.columns.items()
                if tag.startswith("layer/") and tag.endswith(suffix) and column.size
            ]
            steps = np.unique(np.concatenate([column.x for _, column in found])) if found else np.empty(0)
            if len(steps) > most:
                steps = steps[np.unique(np.linspace(0, len(steps) - 1, most).astype(int))]
            rows = []
            for _, column in found:
                row = np.full(len(steps), math.nan)
                places = np.searchsorted(steps, column.x)
                fits = (places < len(steps)) & (steps[np.minimum(places, len(steps) - 1)] == column.x)
                row[places[fits]] = column.y[fits]
                rows.append(row.tolist())
            names = [name for name, _ in found]
            kinds = {name: follower.kinds[name] for name in names if follower.kinds.get(name)}
            document = {"steps": steps.tolist(), "layers": names, "kinds": kinds, "values": rows}
            return to_plain(document, strict=True)

    def _follower(self, item: Item) -> tuple[Follower, threading.Lock]:
        with self._guard:
            if item.id in self._open:
                self._open.move_to_end(item.id)
            else:
                follower = Follower(item.folder / METRICS)
                if self._cache is not None:
                    keep.load(follower, self._cache)
                self._open[item.id] = (follower, threading.Lock())
                while len(self._open) > _OPEN:
                    self._open.popitem(last=False)
            return self._open[item.id]

    def _refresh(self, follower: Follower) -> float:
        before = follower.offset
        try:
            read = follower.refresh()
        except OSError:  # deleted while it was open, or not there yet: what was read is still shown
            return 1.0
        if self._cache is not None and read == 1.0 and follower.offset - before >= keep.LEAST // 4:
            keep.save(follower, self._cache)
        return read


def _on_axis(follower: Follower, column: Column, axis: str, per_epoch: float | None) -> Numbers:
    if axis == "epoch" and per_epoch:
        return column.x / per_epoch
    if axis == "time" and "seconds" in follower.columns:
        spent = follower.columns["seconds"]
        return np.interp(column.x, spent.x, np.cumsum(np.nan_to_num(spent.y)))
    return column.x


def _last(steps: Numbers) -> float | None:
    return float(steps[-1]) if len(steps) else None
