"""A folder of images that stay on disk to a data set: decoded as they are needed, scaled by some thousand of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trainwright.data.blocks import PARTS, Stream
from trainwright.data.dataset import Dataset, Split
from trainwright.data.feed import Batch
from trainwright.data.goals import Target, TargetScale, target_plan
from trainwright.data.imagefile import read_image
from trainwright.data.imagefolder import found_images
from trainwright.data.imagereader import ImageReader
from trainwright.data.preprocessing import Preprocessing
from trainwright.data.scaling import ArrayPlan, as_they_are, fit_pixels
from trainwright.data.splits import Preparation
from trainwright.errors import DataError
from trainwright.randomness import generator
from trainwright.records import DataShape

MEASURED = 2_048
"""Training images, drawn at random, by which channels are scaled: of each, thousands of pixels."""
_MEASURED_BYTES = 256 * 2**20
_KEPT = 512
_BLOCK_BYTES = 4 * 2**20
_BLOCKS = 64  # at least, where there are so many images


@dataclass(frozen=True, kw_only=True, eq=False)
class Files:
    """Image files of one part as bytes of their names, which take a tenth of what paths take, and their classes."""

    names: np.ndarray
    labels: np.ndarray

    def path(self, place: int) -> Path:
        """Return the path of one image."""
        return Path(self.names[place].decode("utf-8", "surrogateescape"))


def stream_images(
    folder: Path, *, image_size: int, task: str, preparation: Preparation, workers: int = 1
) -> Dataset | None:
    """Make a folder of images that stay on disk a data set, None where it holds no images in folders of classes.

    The files are divided and put into a random order once; a block is some files of that order. Raises `DataError` as
    `read_image_folder` does, but for damaged images, which are met when they are read.
    """
    listed = found_images(folder)
    if listed is None:
        return None
    classes, found, notes = listed
    own = {name: _files(paths, classes) for name, paths in found.items()}
    parts = preparation.divide(
        len(own["train"].names),
        labels=own["train"].labels,
        with_validation="validation" not in own,
        with_test="test" not in own,
    )
    sets: dict[str, Files] = {}
    for name, rows in (("train", parts.train), ("validation", parts.validation), ("test", parts.test)):
        files = own[name] if name in own and name != "train" else _some(own["train"], rows)
        if len(files.names):
            mixed = torch.randperm(len(files.names), generator=generator(preparation.seed, "files", name)).numpy()
            sets[name] = _some(files, mixed)
    plan, remarks = _plan(sets["train"], image_size, standardise=preparation.standardise)
    sha = hashlib.sha256()
    for name in PARTS:
        for path in sets[name].names if name in sets else ():
            sha.update(path + b"|")
    target = Target(
        names=("the folders' names",), task="classification", classes=classes, rows=np.arange(0), values=np.arange(0)
    )
    splits = {name: _split(name, files, plan, len(classes), workers) for name, files in sets.items()}
    return Dataset(
        name=folder.resolve().name,
        shape=DataShape(input_shape=plan.shape, outputs=len(classes), task="classification"),
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=classes,
        features=(),
        fingerprint=sha.hexdigest(),
        preprocessing=Preprocessing(kind="images", plan=plan, target=target_plan(target, TargetScale())).plain(),
        notes=(*notes, *remarks),
    )


def _files(by_class: dict[str, list[Path]], classes: Sequence[str]) -> Files:
    names = [str(path).encode("utf-8", "surrogateescape") for paths in by_class.values() for path in paths]
    labels = np.repeat([classes.index(name) for name in by_class], [len(paths) for paths in by_class.values()])
    return Files(names=np.array(names), labels=labels)


def _some(files: Files, rows: np.ndarray) -> Files:
    return Files(names=files.names[rows], labels=files.labels[rows])


def _plan(train: Files, image_size: int, *, standardise: bool) -> tuple[ArrayPlan, list[str]]:
    """Return how images are scaled, measured on some of the training images, which are in random order already."""
    reader = ImageReader(image_size)
    first = read_image(train.path(0), image_size=image_size).pixels
    count = min(MEASURED, len(train.names), max(1, _MEASURED_BYTES // (3 * first[0].size)))
    images = reader.in_colour(reader.read("train", [train.path(place) for place in range(count)]))
    notes = reader.notes()
    if not standardise:
        return as_they_are(images.shape[1:], axis=0, pixels=True, image_size=image_size), notes
    plan, more = fit_pixels(images, np.arange(count), scale=255.0, image_size=image_size)
    said = [f"the channels are scaled by {count:,} of {len(train.names):,} training images, drawn at random"]
    return plan, [*notes, *(said if count < len(train.names) else ()), *more]


def _split(name: str, files: Files, plan: ArrayPlan, classes: int, workers: int) -> Split:
    count, sample = len(files.names), 4 * int(np.prod(plan.shape))
    each = max(1, min(_BLOCK_BYTES // sample, -(-count // _BLOCKS)))
    starts = range(0, count, each)

    def read(block: int) -> Batch:
        rows = range(starts[block], min(count, starts[block] + each))
        x = np.stack([_pixels(plan, files.path(place)) for place in rows])
        return plan.apply(x), torch.from_numpy(files.labels[rows.start : rows.stop].astype(np.int64))

    kept: list[Batch] = []
    while sum(len(y) for _, y in kept) < min(count, _KEPT):
        kept.append(read(len(kept)))
    x, y = (torch.cat(values) for values in zip(*kept, strict=True))
    sha = hashlib.sha256(f"{name}|{count}|".encode())
    for path in files.names:
        sha.update(path + b"|")
    return Split(
        x=x,
        y=y,
        name=name,
        digest=sha.hexdigest(),
        stream=Stream(
            counts=np.diff(np.array([*starts, count], dtype=np.int64)),
            read=read,
            sample_bytes=sample + 8,
            class_counts=tuple(np.bincount(files.labels, minlength=classes).tolist()),
            workers=workers,
        ),
    )


def _pixels(plan: ArrayPlan, path: Path) -> np.ndarray:
    pixels = read_image(path, image_size=plan.image_size).pixels
    if len(pixels) == 1 and plan.shape[0] == 3:
        pixels = np.repeat(pixels, 3, axis=0)
    if pixels.shape != plan.shape:
        raise DataError(
            f"{path} does not have the shape of the images that were measured",
            evidence=f"shape {pixels.shape}; they have {plan.shape}",
            remedy="set data.image_size, such as 64, and store grey images as such",
        )
    return pixels
