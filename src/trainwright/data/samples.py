"""Arrays of samples to a data set: divided, and prepared by what the training samples alone show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainwright.data.arraytargets import array_target, more_of
from trainwright.data.dataset import Dataset, Split, content_digest, row_digest
from trainwright.data.goals import Target, encode_target, learn_scale, target_plan
from trainwright.data.preprocessing import Preprocessing
from trainwright.data.scaling import ArrayPlan, as_they_are, fit_features, fit_pixels
from trainwright.data.splits import Preparation
from trainwright.errors import DataError
from trainwright.records import DataShape


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Samples as stored. `x` is `(n, ...)`, images `(n, channels, height, width)`; `y` `(n,)` or `(n, columns)`."""

    x: np.ndarray
    y: np.ndarray

    @property
    def digest(self) -> str:
        """The SHA-256 over inputs and targets; grey images count as files have them, without an axis of channels."""
        grey = self.x.ndim == 4 and self.x.shape[1] == 1
        return content_digest(self.x[:, 0] if grey else self.x, self.y)


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleSource:
    """Arrays that were read: `parts` are the splits that the source brings, "train" and perhaps others.

    `pixels` says that x are images in bytes, of which `scale` is white, `image_size` what they were scaled and cropped
    to (0: nothing was done). `axis` is the axis of a sample along which features or channels lie. `target` is what the
    targets are called, `classes` the names of the ids or labels, `features` those of the columns of x; () where
    nobody named them.
    """

    name: str
    parts: Mapping[str, Samples]
    pixels: bool = False
    scale: float = 255.0
    image_size: int = 0
    axis: int = 0
    target: str = "the labels"
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.parts["train"].x.shape[1:]


def source_target(source: SampleSource, task: str = "auto") -> Target:
    """Return what the training samples of a source are to learn."""
    return array_target(source.parts["train"].y, where=source.target, task=task, classes=source.classes)


def assemble_samples(source: SampleSource, *, task: str, preparation: Preparation) -> Dataset:
    """Divide the samples, and prepare all splits by the statistics of the training samples alone.

    Splits that the source brings are taken as they are; those it lacks are taken from its training samples. Raises
    `DataError` where the splits do not fit together, or where there is nothing to learn.
    """
    train = source.parts["train"]
    target = source_target(source, task)
    parts = preparation.divide(
        len(train.x),
        labels=target.strata,
        with_validation="validation" not in source.parts,
        with_test="test" not in source.parts,
    )
    plan, remarks = _plan(source, parts.train, standardise=preparation.standardise)
    scale, more = learn_scale(target, parts.train)

    def split(name: str, rows: np.ndarray) -> Split | None:
        own = source.parts.get(name) if name != "train" else None
        if own is None:
            if len(rows) == 0:
                return None
            return Split(
                x=plan.apply(train.x[rows]),
                y=encode_target(target, scale, rows),
                name=name,
                digest=row_digest(rows),
            )
        _check_size(name, own, source)
        goal = more_of(target, own.y, where=f"{source.target} of {name}", classes=source.classes)
        y = encode_target(goal, scale, np.arange(len(own.x)))
        return Split(x=plan.apply(own.x), y=y, name=name, digest=own.digest)

    trained = split("train", parts.train)
    assert trained is not None  # a division leaves at least one training row
    return Dataset(
        name=source.name,
        shape=DataShape(input_shape=plan.shape, outputs=target.outputs, task=target.task),
        train=trained,
        validation=split("validation", parts.validation),
        test=split("test", parts.test),
        classes=target.classes,
        features=source.features,
        target_mean=scale.mean,
        target_std=scale.std,
        fingerprint=source.fingerprint,
        preprocessing=Preprocessing(
            kind="images" if source.pixels else "features", plan=plan, target=target_plan(target, scale)
        ).plain(),
        notes=(*source.notes, *target.notes, *remarks, *more),
    )


def _plan(source: SampleSource, rows: np.ndarray, *, standardise: bool) -> tuple[ArrayPlan, list[str]]:
    x = source.parts["train"].x
    if not standardise:
        return as_they_are(source.shape, axis=source.axis, pixels=source.pixels, image_size=source.image_size), []
    if source.pixels:
        return fit_pixels(x, rows, scale=source.scale, image_size=source.image_size)
    return fit_features(x, rows, axis=source.axis)


def _check_size(name: str, own: Samples, source: SampleSource) -> None:
    if source.pixels and own.x.dtype != np.uint8:
        raise DataError(
            f"training images are bytes, and {name} images are not",
            evidence=f"{own.x.dtype}, values from {own.x.min():g} to {own.x.max():g}",
            remedy="store all splits as bytes from 0 to 255 (uint8)",
        )
    if own.x.shape[1:] != source.shape:
        what = "images" if source.pixels else "samples"
        raise DataError(
            f"training and {name} {what} differ in size",
            evidence=" and ".join(" x ".join(map(str, shape)) for shape in (source.shape, own.x.shape[1:])),
            remedy="take all splits from the same release of the data set",
        )
