"""Whether stored runs go together: one task, one source of data, one division of it."""

from __future__ import annotations

from collections.abc import Sequence

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
    """Raise `DataError` where a run was trained on other data, or on what another one validates on."""
    first = stored[0]
    for other in stored[1:]:
        one, two = (each.head.get("data", {}) for each in (first, other))
        if not one.get("fingerprint") or not two.get("fingerprint"):
            continue
        if (
            sorted(one.get("classes", ())) == sorted(two.get("classes", ()))
            and one["fingerprint"] != two["fingerprint"]
        ):
            raise DataError(
                f"{other.folder} was trained on other data than {first.folder}",
                evidence=f"the fingerprints of their sources begin with {two['fingerprint'][:12]} and "
                f"{one['fingerprint'][:12]}",
                remedy=f"leave {other.folder} out, or train it on the same source",
            )
        splits, others = one.get("splits", {}), two.get("splits", {})
        if splits.get("train", {}).get("digest") != others.get("train", {}).get("digest"):
            raise DataError(
                f"{other.folder} divides its data in another way than {first.folder}: one was trained on what the "
                "other validates on",
                evidence=f"train.seed is {other.info.setting('train.seed')} and {first.info.setting('train.seed')}, "
                "and the division follows from it",
                remedy=f"let the further seeds be trained on one division: trainwright finish {first.folder} "
                "--members 5; or train with data.split_seed = 0 in each run",
            )


def check_unchanged(one: StoredRun, dataset: Dataset) -> None:
    """Raise `DataError` where the data of a run are no longer what it was trained on."""
    before = one.head.get("data", {}).get("fingerprint")
    if before and before != dataset.fingerprint:
        raise DataError(
            f"the data of {one.folder} have changed since it was trained",
            evidence=f"the fingerprint begins with {dataset.fingerprint[:12]}, and did with {before[:12]}",
            remedy="bring the file back as it was, or train again",
        )
