"""Images and labels in IDX files: found in pairs, read, and refused where they do not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainwright.data.files import listing
from trainwright.data.idx import is_idx, read_idx
from trainwright.errors import DataError

_PARTS = {"train": "train", "test": "t10k"}
_GIVE = "give a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (each may end with .gz), or a data file"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Grey images as stored, uint8 `(n, height, width)`, with the label of each, int64 `(n,)`."""

    images: np.ndarray
    labels: np.ndarray


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


def read_pictures(images_path: Path, labels_path: Path) -> Pictures:
    """Read images and their labels. Raises `DataError` where either is damaged or their counts differ."""
    images = read_idx(images_path, dimensions=3)
    labels = read_idx(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path.name} and {labels_path.name} do not belong together",
            evidence=f"{len(images):,} images, {len(labels):,} labels",
            remedy="take both files from the same release of the data set",
        )
    return Pictures(images=images, labels=labels.astype(np.int64))


def is_picture_source(path: Path) -> bool:
    """Return whether `path` is an IDX file, or a folder that holds IDX files; a folder of anything else is refused."""
    if not path.is_dir():
        return is_idx(path)
    if find_pair(path, "train") is not None:
        return True
    inside = listing(path)
    raise DataError(
        f"{path} is a folder, but no data set",
        evidence=f"it holds {', '.join(inside[:8]) or 'nothing'}{', ...' if len(inside) > 8 else ''}",
        remedy=_GIVE,
    )


def read_source(path: Path) -> tuple[Pictures, Pictures | None]:
    """Return the images of a folder or of one images file, and the folder's own test images where it has them."""
    if not path.is_dir():
        return read_pictures(path, labels_beside(path)), None
    train, test = find_pair(path, "train"), find_pair(path, "test")
    if train is None:
        raise DataError(f"{path} holds no training images", remedy=_GIVE)
    return read_pictures(*train), read_pictures(*test) if test is not None else None
