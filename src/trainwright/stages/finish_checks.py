"""Whether stored runs go together: one task, one source of data, one division of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.data.dataset import Dataset
from trainwright.errors import DataError
from trainwright.records import RunInfo
from trainwright.runs.reader import StoredRun


def check_tasks(names: Sequence[str], infos: Sequence[RunInfo]) -> None:
    """Raise `DataError` where runs are of several tasks."""
    for name, info in zip(names, infos, strict=True):
        if info.task != infos[0].task:
            raise DataError(
                f"'{name}' does not answer the same question as '{names[0]}'",
                evidence=f"their tasks are {info.task} and {infos[0].task}",
                remedy="finish runs of one task at a time",
            )


def check_data(stored: Sequence[StoredRun]) -> None:
    """Raise `DataError`, with the cause, where runs do not share their data.

    That is where one was trained on other data, on other columns of them, prepared in another way, or on what another
    one validates on.
    """
    first = stored[0]
    for other in stored[1:]:
        one, two = (each.head.get("data", {}) for each in (first, other))
        if not one.get("fingerprint") or not two.get("fingerprint"):
            continue
        if one["fingerprint"] != two["fingerprint"]:
            raise DataError(
                f"{other.folder} was trained on other data than {first.folder}",
                evidence=f"their sources are {_source(other)} and {_source(first)}; the fingerprints begin with "
                f"{two['fingerprint'][:12]} and {one['fingerprint'][:12]}",
                remedy=f"leave {other.folder} out, or train it on the same source",
            )
        _check_columns(first, other)
        splits, others = one.get("splits", {}), two.get("splits", {})
        seeds = [_seed(each) for each in (other, first)]
        if _division(first) != _division(other):
            raise DataError(
                f"{other.folder} divides its data in another way than {first.folder}: one was trained on what the "
                "other validates on",
                evidence=f"the division follows the seeds {seeds[0]} and {seeds[1]}, of data.split_seed or train.seed"
                if seeds[0] != seeds[1]
                else f"{_counts(others)} and {_counts(splits)}",
                remedy=f"let the further seeds be trained on one division: trainwright finish {first.folder} "
                "--members 5; or train with data.split_seed = 0 in each run",
            )
        difference = first_difference(two.get("preprocessing", {}), one.get("preprocessing", {}))
        if difference:
            raise DataError(
                f"the inputs of {other.folder} were prepared in another way than those of {first.folder}",
                evidence=difference,
                remedy=f"leave {other.folder} out, or train it again with the same [data]",
            )


def _check_columns(first: StoredRun, other: StoredRun) -> None:
    one, two = (
        [column.get("name") for column in each.head["data"].get("preprocessing", {}).get("columns", ())]
        for each in (first, other)
    )
    lacks, more = [name for name in one if name not in two], [name for name in two if name not in one]
    if lacks or more:
        told = [f"it lacks {', '.join(map(repr, lacks[:5]))}"] if lacks else []
        told += [f"it has {', '.join(map(repr, more[:5]))} more"] if more else []
        raise DataError(
            f"{other.folder} was trained on other columns than {first.folder}",
            evidence=" and ".join(told),
            remedy=f"leave {other.folder} out, or train it again with the same data.ignore",
        )


def _division(run: StoredRun) -> Any:
    """Return what tells how a run divides its data: seed and shares; the digests where nobody set them."""
    if run.info.setting("train.seed") is None:
        return run.head["data"].get("splits", {}).get("train", {}).get("digest")
    return _seed(run), run.info.setting("data.validation"), run.info.setting("data.test")


def _seed(run: StoredRun) -> Any:
    """Return the seed that a run's division follows: one of its own, or that of all else; None where nobody knows."""
    own = run.info.setting("data.split_seed")
    return run.info.setting("train.seed") if own is None or own == -1 else own


def _counts(splits: Mapping[str, Any]) -> str:
    return ", ".join(f"{part.get('samples', '?')} {name}" for name, part in splits.items()) + " samples"


def _source(run: StoredRun) -> str:
    return f"'{run.info.setting('data.source') or 'given in Python'}'"


def first_difference(one: Any, other: Any, path: str = "") -> str:
    """Return where two plain values differ first, and how, as words; "" where they do not."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            found = first_difference(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
            if found:
                return found
        return ""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            name = first.get("name") if isinstance(first, Mapping) else None
            found = first_difference(first, second, f"{path}[{place if name is None else repr(name)}]")
            if found:
                return found
        return ""
    return "" if one == other else f"{path} is {_short(one)}, and {_short(other)} there"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_unchanged(one: StoredRun, dataset: Dataset) -> None:
    """Raise `DataError` where the data of a run are no longer what it was trained on."""
    before = one.head.get("data", {}).get("fingerprint")
    if before and before != dataset.fingerprint:
        raise DataError(
            f"the data of {one.folder} have changed since it was trained",
            evidence=f"the fingerprint begins with {dataset.fingerprint[:12]}, and did with {before[:12]}",
            remedy="bring the file back as it was, or train again",
        )
