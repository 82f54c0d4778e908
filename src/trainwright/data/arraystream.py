"""Arrays that stay on disk (.npy, memory-mapped) to a data set: measured in one pass, read in blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from trainwright.data.arraytargets import array_target, more_of
from trainwright.data.blocks import PARTS, Stream, parts_of
from trainwright.data.dataset import Dataset, Split
from trainwright.data.feed import Batch
from trainwright.data.files import listing
from trainwright.data.goals import Target, TargetScale, encode_target, target_plan
from trainwright.data.npzfile import role_of
from trainwright.data.numbers import number_name
from trainwright.data.preprocessing import Preprocessing
from trainwright.data.running import MOST_WORDS, Moments
from trainwright.data.scaling import ArrayPlan, as_they_are, channels_first
from trainwright.data.splits import Preparation
from trainwright.errors import DataError, first_line
from trainwright.randomness import generator
from trainwright.records import DataShape

BLOCK_BYTES = 2**20
"""Bytes of a block of inputs as they are stored; measured in float64, it takes some ten times as much."""
_TARGET_SAMPLE = 50_000  # targets, drawn at random, that tell what they are
_KEPT = 2_048  # samples of each split that are kept for a first look at them
_KEPT_BYTES = 64 * 2**20
_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapped:
    """Inputs `(n, ...)` and targets of one part, mapped from their files."""

    x: np.ndarray
    y: np.ndarray
    x_path: Path
    y_path: Path

    def starts(self) -> range:
        """Return where the blocks begin."""
        return range(0, len(self.x), max(1, BLOCK_BYTES // max(1, self.x[:1].nbytes)))

    def rows(self, block: int) -> slice:
        """Return the rows of a block."""
        starts = self.starts()
        return slice(starts[block], min(len(self.x), starts[block] + starts.step))


def find_arrays(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return the files of inputs and targets of each part in a folder, none where it holds no such pair."""
    found: dict[tuple[int, str], Path] = {}
    for name in listing(folder):
        role = role_of(name.removesuffix(".npy")) if name.endswith(".npy") else None
        if role is not None:
            found.setdefault(role, folder / name)
    return {part: (found[0, part], found[1, part]) for part in PARTS if (0, part) in found and (1, part) in found}


def mapped(path: Path) -> np.ndarray:
    """Return the array of an .npy file, mapped into memory: what is not looked at is not read.

    Raises `DataError` for Python objects, which are never unpickled, and for a damaged file.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as problem:
        raise DataError(
            f"{path} is no array that can be mapped into memory",
            evidence=first_line(problem),
            remedy="write it with np.save(file, array), of numbers",
        ) from None


def stream_arrays(
    name: str, files: Mapping[str, tuple[Path, Path]], *, task: str, preparation: Preparation, workers: int = 1
) -> Dataset:
    """Make memory-mapped arrays a data set; parts that have files of their own are not taken from training.

    Means and deviations are those of all training samples, found in one pass. Raises `DataError` where inputs and
    targets do not belong together, or hold what cannot be learnt.
    """
    parts = {part: _opened(*paths) for part, paths in files.items()}
    train = parts.get("train")
    if train is None:
        raise DataError(f"{name} holds no x.npy with a y.npy", remedy="np.save inputs as x.npy, targets as y.npy")
    # Drawn, not every n-th: what repeats with a period would be seen in one phase of it.
    rows = torch.randint(len(train.y), (_TARGET_SAMPLE,), generator=generator(preparation.seed, "survey")).numpy()
    few = len(train.y) <= _TARGET_SAMPLE
    sample = np.array(train.y if few else train.y[np.unique(rows)])
    goal = array_target(sample, where=train.y_path.name, task=task)
    measured = _Measured.of(train, goal, preparation, tuple(parts))
    goal, scale = measured.settled(goal)
    plan, notes = measured.plan(train, standardise=preparation.standardise)
    sha = hashlib.sha256()
    for part, some in parts.items():
        sha.update(f"{part}|{some.x.shape}|{some.x.dtype}|".encode())
        for array in (some.x, some.y):
            _digest_into(sha, array)
    reading = _Reading(goal=goal, scale=scale, plan=plan, preparation=preparation, have=tuple(parts))
    splits: dict[str, Split] = {}
    for number, part in enumerate(PARTS):
        own = parts.get(part) if part != "train" else None
        counts = measured.counts[:, number] if own is None else _own_counts(own)
        if counts.any():
            read = partial(reading.read, train if own is None else own, number if own is None else None)
            splits[part] = _split(
                part, counts, read, sha.hexdigest(), preparation, (workers, measured.class_counts(goal))
            )
    if "train" not in splits:
        raise DataError(f"{name} has no sample to train on", remedy="give more samples, or smaller shares")
    return Dataset(
        name=name,
        shape=DataShape(input_shape=plan.shape, outputs=goal.outputs, task=goal.task),
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=goal.classes,
        features=(),
        target_mean=scale.mean,
        target_std=scale.std,
        fingerprint=sha.hexdigest(),
        preprocessing=Preprocessing(
            kind="images" if plan.pixels else "features", plan=plan, target=target_plan(goal, scale)
        ).plain(),
        notes=(*goal.notes, *notes),
    )


@dataclass(frozen=True, kw_only=True)
class _Reading:
    goal: Target
    scale: TargetScale
    plan: ArrayPlan
    preparation: Preparation
    have: tuple[str, ...]

    def read(self, source: Mapped, part: int | None, block: int) -> Batch:
        """Return the samples of a block that belong to a part, of all of them where it has files of its own."""
        rows = source.rows(block)
        x, y = np.array(source.x[rows]), np.array(source.y[rows])
        if part is not None:
            mine = parts_of(self.preparation, rows.start, len(x), self.have) == part
            x, y = x[mine], y[mine]
        _check_finite(x, source.x_path, rows.start)
        goal = (
            more_of(self.goal, y, where=source.y_path.name)
            if len(y)
            else replace(self.goal, values=self.goal.values[:0])
        )
        return self.plan.apply(x), encode_target(goal, self.scale, np.arange(len(y)))


@dataclass(kw_only=True)
class _Measured:
    """What one pass over the training file has found."""

    counts: np.ndarray  # (blocks, parts)
    inputs: Moments
    goals: Moments
    labels: dict[str, int]  # in all samples, by name: how many in training

    @classmethod
    def of(cls, train: Mapped, goal: Target, preparation: Preparation, have: tuple[str, ...]) -> _Measured:
        axis = axis_of(train.x)
        found = cls(
            counts=np.zeros((len(train.starts()), len(PARTS)), dtype=np.int64),
            inputs=Moments.of(train.x.shape[axis + 1]),
            goals=Moments.of(goal.values.shape[1] if goal.values.ndim == 2 else 1),
            labels={},
        )
        for block in range(len(found.counts)):
            rows = train.rows(block)
            x, y = np.array(train.x[rows]), np.array(train.y[rows])
            _check_finite(x, train.x_path, rows.start)
            parts = parts_of(preparation, rows.start, len(x), have)
            found.counts[block] = np.bincount(parts, minlength=len(PARTS))
            mine = parts == 0
            values = np.moveaxis(x[mine], axis + 1, -1).reshape(-1, train.x.shape[axis + 1])
            found.inputs.add(values.astype(np.float64))
            if goal.task == "classification":
                found._count(y, mine)
            else:
                found.goals.add(more_of(goal, y[mine], where=train.y_path.name).values)
        return found

    def _count(self, y: np.ndarray, training: np.ndarray) -> None:
        y = y.reshape(len(y))
        values, counts = np.unique(y[training], return_counts=True)
        for label in map(_label, np.unique(y).tolist()):
            self.labels.setdefault(label, 0)
        for label, count in zip(map(_label, values.tolist()), counts.tolist(), strict=True):
            self.labels[label] += count
        if len(self.labels) > MOST_WORDS:
            raise DataError(f"the targets have more than {MOST_WORDS:,} classes", remedy='set data.task = "regression"')

    def settled(self, goal: Target) -> tuple[Target, TargetScale]:
        """Return the target with the classes of all samples, and its scale by the training samples."""
        if goal.task == "classification":
            numeric = all(label.lstrip("-").isdigit() for label in self.labels)
            return replace(goal, classes=tuple(sorted(self.labels, key=int if numeric else str))), TargetScale()
        if goal.task == "multi-label":
            return goal, TargetScale()
        std = self.goals.std
        if (std == 0).any():
            raise DataError("a target is the same in every training sample, so there is nothing to learn")
        return goal, TargetScale(mean=tuple(self.goals.mean.tolist()), std=tuple(std.tolist()))

    def class_counts(self, goal: Target) -> tuple[int, ...]:
        """Return how many training samples each class has."""
        return tuple(self.labels[name] for name in goal.classes) if goal.task == "classification" else ()

    def plan(self, train: Mapped, *, standardise: bool) -> tuple[ArrayPlan, list[str]]:
        """Return how inputs are scaled."""
        axis, pixels = axis_of(train.x), train.x.dtype == np.uint8 and train.x.ndim == 4
        if not standardise:
            return as_they_are(train.x.shape[1:], axis=axis, pixels=pixels), []
        std, scale = self.inputs.std, 255.0 if pixels else 1.0
        if (std == 0).all():
            raise DataError("all features are the same in every training sample", remedy="check the array of inputs")
        flat = int((std == 0).sum())
        plan = ArrayPlan(
            shape=train.x.shape[1:],
            axis=axis,
            scale=scale,
            mean=tuple((self.inputs.mean / scale).tolist()),
            std=tuple(np.where(std > 0, std / scale, 1.0).tolist()),
            pixels=pixels,
        )
        return plan, [f"{flat} of {len(std)} features are the same in every training sample"] if flat else []


def axis_of(x: np.ndarray) -> int:
    """Return the axis of a sample along which features lie: of sequences `(n, length, features)` the last."""
    return 1 if x.ndim == 3 else 0


def _opened(x_path: Path, y_path: Path) -> Mapped:
    x, y = mapped(x_path), mapped(y_path)
    if x.dtype.kind not in "biuf" or x.ndim < 2 or x.size == 0 or y.ndim == 0 or len(x) != len(y):
        raise DataError(
            f"{x_path.name} and {y_path.name} are no inputs and targets that belong together",
            evidence=f"shapes {x.shape} and {y.shape}, {x.dtype}",
            remedy="store numbers of the shape (n, features) or (n, channels, height, width), and a target for each",
        )
    if (x.ndim == 3 and x.dtype == np.uint8) or x.ndim == 4:
        x = channels_first(x)
    return Mapped(x=x, y=y, x_path=x_path, y_path=y_path)


def _own_counts(own: Mapped) -> np.ndarray:
    starts = own.starts()
    return np.diff(np.array([*starts, len(own.x)], dtype=np.int64))


def _split(
    part: str,
    counts: np.ndarray,
    read: partial[Batch],
    fingerprint: str,
    preparation: Preparation,
    more: tuple[int, tuple[int, ...]],
) -> Split:
    """Return a split with some of its samples, taken from blocks in a drawn order."""
    filled = np.flatnonzero(counts)
    order = filled[torch.randperm(len(filled), generator=generator(preparation.seed, "kept", part)).numpy()]
    kept: list[Batch] = []
    size = held = 0
    for block in order[:32].tolist():
        x, y = read(block)
        some = max(1, _KEPT // min(32, len(order)))
        kept.append((x[:some], y[:some]))
        held, size = held + len(kept[-1][0]), size + kept[-1][0].nbytes
        if held >= _KEPT or size > _KEPT_BYTES:
            break
    x, y = (torch.cat(values) for values in zip(*kept, strict=True))
    mixed = torch.randperm(len(x), generator=generator(preparation.seed, "kept order", part))
    said = f"{fingerprint}|{part}|{preparation}|{counts.sum()}"
    workers, class_counts = more
    return Split(
        x=x[mixed],
        y=y[mixed],
        name=part,
        digest=hashlib.sha256(said.encode()).hexdigest(),
        stream=Stream(
            counts=counts,
            read=read,
            sample_bytes=x[0].nbytes + y[0].nbytes,
            class_counts=class_counts,
            workers=workers,
        ),
    )


def _label(value: str | float | bytes) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else number_name(value)


def _check_finite(x: np.ndarray, path: Path, start: int) -> None:
    if x.dtype.kind != "f" or bool((np.abs(x) <= _FLOAT32).all()):
        return
    place = tuple(int(index) for index in np.argwhere(~(np.abs(x) <= _FLOAT32))[0])
    raise DataError(
        f"{path} holds values that are missing, infinite, or too large for a 32-bit number",
        evidence=f"the first at {[start + place[0], *place[1:]]}: {x[place]}",
        remedy="fill or remove them",
    )


def _digest_into(sha: hashlib._Hash, array: np.ndarray) -> None:
    step = max(1, 8 * BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        sha.update(np.ascontiguousarray(array[start : start + step]).data)
