"""Grey images to a data set: divided, scaled, and standardised by the training images alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trainwright.data.dataset import Dataset, Split, content_digest, row_digest
from trainwright.data.pictures import Pictures
from trainwright.data.splits import Preparation
from trainwright.errors import DataError
from trainwright.records import DataShape

_CHUNK = 4096  # images counted at a time: numpy makes eight bytes of each pixel meanwhile


def assemble_pictures(
    *,
    name: str,
    pictures: Pictures,
    other: Pictures | None,
    classes: Sequence[str] = (),
    scale: float = 255.0,
    preparation: Preparation,
) -> Dataset:
    """Divide the images, and standardise all splits by mean and deviation of the training pixels.

    `other` are the images of the test split; without, they are taken from `pictures`, too. `scale` is the value of a
    white pixel. `classes` are the names of the labels 0, 1, ...; without, the sorted labels name themselves.
    """
    found, ids = np.unique(pictures.labels, return_inverse=True)
    if len(found) < 2:
        raise DataError(
            f"{name} holds one class only, so there is nothing to learn",
            evidence=f"{len(ids):,} images with the label {found[0]}",
            remedy="give images of other classes, too",
        )
    parts = preparation.divide(len(ids), labels=ids, with_test=other is None)
    standardise = preparation.standardise
    mean, std = _pixel_statistics(pictures.images, parts.train, scale) if standardise else (0.0, 1.0)
    unit = scale if standardise else 1.0

    def prepare(images: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(images).unsqueeze(1).to(torch.float32)
        return x.sub_(mean * unit).div_(std * unit) if standardise else x

    def split(part: str, rows: np.ndarray) -> Split:
        y = torch.from_numpy(ids[rows].astype(np.int64))
        return Split(x=prepare(pictures.images[rows]), y=y, name=part, digest=row_digest(rows))

    held_out = split("test", parts.test) if len(parts.test) else None
    if other is not None:
        y = torch.from_numpy(_known_ids(other.labels, found))
        digest = content_digest(other.images, other.labels)
        _check_size(pictures, other)
        held_out = Split(x=prepare(other.images), y=y, name="test", digest=digest)
    names = tuple(classes) or tuple(str(label) for label in found)
    shape = (1, *pictures.images.shape[1:])
    arrays = [pictures.images, pictures.labels] + ([other.images, other.labels] if other else [])
    return Dataset(
        name=name,
        shape=DataShape(input_shape=shape, outputs=len(found), task="classification"),
        train=split("train", parts.train),
        validation=split("validation", parts.validation) if len(parts.validation) else None,
        test=held_out,
        classes=names,
        features=(),
        fingerprint=content_digest(*arrays),
        preprocessing={
            "kind": "images",
            "shape": list(shape),
            "scale": unit,
            "mean": mean,
            "std": std,
            "classes": list(names),
        },
        notes=(),
    )


def _pixel_statistics(images: np.ndarray, rows: np.ndarray, scale: float) -> tuple[float, float]:
    """Return mean and standard deviation of value / scale, over all pixels of `rows`, from a histogram: exact."""
    counts = np.zeros(256)
    for start in range(0, len(rows), _CHUNK):
        counts += np.bincount(images[rows[start : start + _CHUNK]].reshape(-1), minlength=256)
    values = np.arange(256) / scale
    mean = float(counts @ values / counts.sum())
    std = float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))
    if std == 0.0:
        raise DataError(
            "all pixels of all training images are the same",
            evidence=f"value {round(mean * scale)}",
            remedy="check the images file",
        )
    return mean, std


def _known_ids(labels: np.ndarray, found: np.ndarray) -> np.ndarray:
    ids = np.searchsorted(found, labels).clip(max=len(found) - 1)
    unknown = found[ids] != labels
    if unknown.any():
        place = int(np.argmax(unknown))
        raise DataError(
            f"the test images have a label that the training images do not: {labels[place]}",
            evidence=f"test image {place}; labels in training: {', '.join(str(label) for label in found)}",
            remedy="take both files from the same release of the data set",
        )
    return ids.astype(np.int64)


def _check_size(pictures: Pictures, other: Pictures) -> None:
    if pictures.images.shape[1:] != other.images.shape[1:]:
        sizes = [" x ".join(str(side) for side in some.images.shape[1:]) for some in (pictures, other)]
        raise DataError(
            "training and test images differ in size",
            evidence=f"{sizes[0]} and {sizes[1]} pixels",
            remedy="take both files from the same release of the data set",
        )
