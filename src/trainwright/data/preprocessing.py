"""All that must be known to turn raw rows into inputs, and outputs into answers: made in training, kept in run.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from trainwright.data.encode import ColumnPlan
from trainwright.data.numbers import NumberForm
from trainwright.data.scaling import ArrayPlan
from trainwright.errors import DataError, UsageError
from trainwright.records import DataShape, Task, from_plain, to_plain

Kind = Literal["table", "images", "features", "arrays", "text", "tokens"]


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """How a table becomes inputs: each of `columns`, found by its name.

    `names` are all columns of the training file, in order, and `has_header` says that it named them itself: where it
    did not, a later file without names goes by place.
    """

    names: tuple[str, ...]
    has_header: bool
    columns: tuple[ColumnPlan, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the columns that a prediction needs."""
        return tuple(plan.name for plan in self.columns)


@dataclass(frozen=True, kw_only=True)
class TextPlan:
    """How a text becomes inputs: places in `characters`, which is in order; a window holds `context` of them."""

    characters: str
    context: int


@dataclass(frozen=True, kw_only=True)
class TokenPlan:
    """Numbers that stand for tokens, from 0 to `vocabulary` - 1, used as they are; a window holds `context` of them."""

    vocabulary: int
    context: int


@dataclass(frozen=True, kw_only=True)
class TargetPlan:
    """How an output is read: the target's columns, and what they hold.

    `classes` are the names of the classes in the order of their ids, or of the labels; () for quantities, of which
    column i in its own units is output i times `std[i]` plus `mean[i]`. `forms` say how the cells of each column are
    written, () where there are none.
    """

    names: tuple[str, ...]
    task: Task
    classes: tuple[str, ...]
    forms: tuple[NumberForm | None, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The preparation of one training's data. `plan` is None for arrays that are used as they are.

    `target` is None for a text, whose classes are its characters, for tokens, and for such arrays.
    """

    kind: Kind
    plan: TablePlan | ArrayPlan | TextPlan | TokenPlan | None
    target: TargetPlan | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Preprocessing:
        """Read what `plain()` wrote, perhaps by way of JSON.

        Raises `DataError` where it is damaged, and `UsageError` where it is of a kind that nobody knows.
        """
        kind = plain.get("kind")
        if kind not in ("table", "images", "features", "arrays", "text", "tokens"):
            raise UsageError(
                f"data of the kind '{kind}' are not prepared in rows",
                remedy="rows are prepared for tables, images, arrays and texts",
            )
        with _reading():
            made = cls(
                kind=kind,
                plan=from_plain(_PLANS[kind], plain) if kind in _PLANS else None,
                target=from_plain(TargetPlan, plain["target"]) if plain.get("target") else None,
            )
            made._check()
        return made

    def plain(self) -> dict[str, Any]:
        """Return the record as plain JSON, which `of` reads."""
        target = {} if self.target is None else {"target": to_plain(self.target)}
        return {"kind": self.kind, **(to_plain(self.plan) if self.plan is not None else {}), **target}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in the order of their ids, of the labels, or the characters; () for quantities."""
        if isinstance(self.plan, TextPlan):
            return tuple(self.plan.characters)
        if isinstance(self.plan, TokenPlan):
            return tuple(map(str, range(self.plan.vocabulary)))
        return () if self.target is None else self.target.classes

    @property
    def task(self) -> Task | None:
        """What is predicted, None where nobody kept it."""
        if self.kind in ("text", "tokens"):
            return "classification"
        return None if self.target is None else self.target.task

    @property
    def shape(self) -> DataShape | None:
        """What a network must know of the data, None where nobody kept it."""
        plan, target = self.plan, self.target
        if isinstance(plan, TextPlan):
            count = len(plan.characters)
            return DataShape(input_shape=(plan.context,), outputs=count, task="classification", vocabulary=count)
        if isinstance(plan, TokenPlan):
            size = plan.vocabulary
            return DataShape(input_shape=(plan.context,), outputs=size, task="classification", vocabulary=size)
        if plan is None or target is None:
            return None
        outputs = len(target.classes) or len(target.mean)
        if isinstance(plan, ArrayPlan):
            return DataShape(input_shape=plan.shape, outputs=outputs, task=target.task)
        groups = tuple(width for column in plan.columns for width in column.groups)
        return DataShape(input_shape=(sum(groups),), outputs=outputs, task=target.task, groups=groups)

    def _check(self) -> None:
        """Raise `ValueError` where what was read cannot belong together."""
        plan, target = self.plan, self.target
        if isinstance(plan, ArrayPlan) and not len(plan.mean) == len(plan.std) == plan.shape[plan.axis]:
            raise ValueError("mean and std do not fit the shape")
        if isinstance(plan, TablePlan) and not (plan.columns and plan.names is not None):
            raise ValueError("no columns")
        if isinstance(plan, TextPlan) and (plan.context < 1 or list(plan.characters) != sorted(set(plan.characters))):
            raise ValueError("the characters are not in order, or a window holds none")
        if target is not None and len(target.mean) != len(target.std):
            raise ValueError("means and deviations of the target differ in number")


_PLANS: dict[str, type[Any]] = {"table": TablePlan, "images": ArrayPlan, "features": ArrayPlan, "text": TextPlan,
                                "tokens": TokenPlan}  # fmt: skip


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise DataError(
            "what was kept of the data's preparation is damaged",
            evidence=f"{type(problem).__name__}: {problem}",
            remedy="take it from the run's own run.json, unchanged",
        ) from None
