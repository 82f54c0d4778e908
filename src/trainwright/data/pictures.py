"""Images and labels in IDX files: found in pairs, read, and refused where they do not belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainwright.data.dataset import content_digest
from trainwright.data.idx import read_idx
from trainwright.data.samples import Samples, SampleSource
from trainwright.errors import DataError

_PARTS = {"train": "train", "test": "t10k"}


def find_pair(folder: Path, split: str) -> tuple[Path, Path] | None:
    """Return the images file and the labels file of "train" or "test" in `folder`, None where there is neither."""
    prefix = _PARTS[split]
    images, labels = (_find(folder, f"{prefix}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        what = "images-idx3" if images is None else "labels-idx1"
        raise DataError(
            f"{folder} lacks {prefix}-{what}-ubyte",
            evidence=f"found {(images or labels or folder).name} alone",
            remedy="put both files, images and labels, into the folder",
        )
    return images, labels


def _find(folder: Path, name: str) -> Path | None:
    spellings = [name, name.replace("-idx", ".idx")]  # some mirrors write train-images.idx3-ubyte
    candidates = [folder / (spelling + ending) for spelling in spellings for ending in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def labels_beside(images: Path) -> Path:
    """Return the labels file that belongs to an images file by its name. Raises `DataError` where there is none."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    candidates = [images.with_name(name + ending) for ending in ("", ".gz")]
    found = next((path for path in candidates if path.is_file() and path != images), None)
    if found is None:
        raise DataError(
            f"no labels file lies beside {images}",
            evidence=f"neither {name} nor {name}.gz is there",
            remedy="name the pair like x-images-idx3-ubyte and x-labels-idx1-ubyte; the source is the images file",
        )
    return found


def read_pictures(images_path: Path, labels_path: Path) -> Samples:
    """Read images and their labels. Raises `DataError` where either is damaged or their counts differ."""
    images = read_idx(images_path, dimensions=3)
    labels = read_idx(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path.name} and {labels_path.name} do not belong together",
            evidence=f"{len(images):,} images, {len(labels):,} labels",
            remedy="take both files from the same release of the data set",
        )
    return Samples(x=images[:, None], y=labels.astype(np.int64))


def read_idx_source(path: Path) -> SampleSource:
    """Return the images of a folder, with its own test images where it has them, or those of one images file."""
    pairs = {"train": (path, labels_beside(path))} if not path.is_dir() else {}
    if path.is_dir():
        pairs = {split: pair for split in _PARTS if (pair := find_pair(path, split)) is not None}
    parts = {split: read_pictures(*pair) for split, pair in pairs.items()}
    if "train" not in parts:
        raise DataError(
            f"{path} holds no training images",
            evidence="there is a pair of test files alone",
            remedy="put train-images-idx3-ubyte and train-labels-idx1-ubyte into the folder",
        )
    return SampleSource(
        name=path.name.removesuffix(".gz"),
        parts=parts,
        pixels=True,
        fingerprint=content_digest(*(array for some in parts.values() for array in (some.x[:, 0], some.y))),
    )
