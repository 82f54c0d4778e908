"""New images and arrays, a few at a time, as a trained network takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.data.idx import is_idx, read_idx
from trainwright.data.imagefile import ENDINGS
from trainwright.data.newdata import Piece, Remarks, labels_of, named, place_of
from trainwright.data.npzfile import is_npy, is_npz, read_inputs, read_npy
from trainwright.data.pictures import find_pair, labels_beside
from trainwright.data.prepare import features_of, image_of, pixels_of, prepared
from trainwright.data.preprocessing import Preprocessing
from trainwright.data.scaling import ArrayPlan
from trainwright.errors import DataError

SAMPLES = 512
"""Samples that are held at a time, prepared."""
_HIDDEN = (".", "__MACOSX", "Thumbs.db", "desktop.ini")
_TABLES = (".csv", ".csv.gz", ".tsv", ".parquet")


def array_pieces(preprocessing: Preprocessing, data: Any, remarks: Remarks) -> Iterator[Piece]:
    """Yield images or arrays in pieces.

    `data` is a file, a folder, a list of image files, an array, or a pair of arrays, inputs and targets. A folder is
    searched at any depth; where the folders that hold its images are called like the classes, they are the targets.
    """
    if isinstance(data, str | os.PathLike):
        path = place_of(data)
        if path.name.lower().endswith(_TABLES):
            raise DataError(
                f"{path} is a table, and the training data were {_what(preprocessing)}",
                evidence=f"a sample has the shape {_shape(preprocessing)}",
                remedy="give images, or an .npz file of arrays",
            )
        yield from _stored(preprocessing, path, remarks)
    elif _are_paths(data):
        yield from _files(preprocessing, [place_of(path) for path in data], None, remarks)
    else:
        x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        yield from _arrays(preprocessing, [(x, y)], remarks)


def _stored(preprocessing: Preprocessing, path: Path, remarks: Remarks) -> Iterator[Piece]:
    if path.is_dir():
        pairs = [pair for split in ("train", "test") if (pair := find_pair(path, split)) is not None]
        if pairs:
            yield from _arrays(preprocessing, [(_idx(images), _idx(labels, 1)) for images, labels in pairs], remarks)
        else:
            yield from _files(preprocessing, _images_in(path, remarks), path, remarks)
    elif is_idx(path):
        yield from _arrays(preprocessing, [(_idx(path), _labels_of_file(path))], remarks)
    elif is_npz(path):
        parts = read_inputs(path)
        if len(parts) > 1:
            remarks.note(f"{path.name} holds {', '.join(part for part, _, _ in parts)}; all were taken, in that order")
        yield from _arrays(preprocessing, [(x, y) for _, x, y in parts], remarks)
    elif is_npy(path):
        yield from _arrays(preprocessing, [(read_npy(path), None)], remarks)
    elif _pixels(preprocessing):
        yield from _files(preprocessing, [path], None, remarks)
    else:
        raise DataError(
            f"{path} holds no arrays",
            evidence=f"the training data were {_what(preprocessing)}, a sample of the shape {_shape(preprocessing)}",
            remedy="give an .npz file: np.savez(file, x=...)",
        )


def _arrays(preprocessing: Preprocessing, parts: Sequence[tuple[Any, Any]], remarks: Remarks) -> Iterator[Piece]:
    plan, start = preprocessing.plan, 0
    for values, targets in parts:
        if isinstance(plan, ArrayPlan):
            x: Any = pixels_of(plan, values) if plan.pixels else features_of(plan, values)
        else:
            x = prepared(preprocessing, values)
        y = None if targets is None else np.asarray(targets)
        wanted = labels_of(preprocessing, y, remarks)
        if wanted is not None and len(wanted) != len(x):
            remarks.unread_target = f"{len(wanted):,} targets for {len(x):,} samples"
            wanted = None
        for begin in range(0, len(x), SAMPLES):
            some = x[begin : begin + SAMPLES]
            yield Piece(
                x=plan.apply(some) if isinstance(plan, ArrayPlan) else some,
                places=range(start + begin + 1, start + begin + len(some) + 1),
                y=None if wanted is None else wanted[begin : begin + SAMPLES],
                labelled=None if wanted is None else np.arange(len(some)),
            )
        start += len(x)


def _files(preprocessing: Preprocessing, paths: Sequence[Path], root: Path | None, remarks: Remarks) -> Iterator[Piece]:
    plan = preprocessing.plan
    if not isinstance(plan, ArrayPlan) or not plan.pixels:
        raise DataError(
            f"{paths[0]} is an image, and the training data were {_what(preprocessing)}",
            evidence=f"a sample has the shape {_shape(preprocessing)}",
            remedy="give an array of that shape, or an .npz file",
        )
    ids = {name: place for place, name in enumerate(preprocessing.classes)}
    labelled = root is not None and all(path.parent.name in ids for path in paths)
    if labelled:
        remarks.note("the names of the folders were taken for the classes of their images")
    for begin in range(0, len(paths), SAMPLES):
        some = paths[begin : begin + SAMPLES]
        yield Piece(
            x=plan.apply(np.stack([image_of(plan, path) for path in some])),
            places=[str(path if root is None else path.relative_to(root)) for path in some],
            y=torch.tensor([ids[path.parent.name] for path in some]) if labelled else None,
            labelled=np.arange(len(some)) if labelled else None,
        )


def _images_in(folder: Path, remarks: Remarks) -> list[Path]:
    """Return the image files in a folder, at any depth, in order of name."""
    images, others = [], []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        for name in sorted(files):
            if not name.startswith(_HIDDEN):
                (images if name.lower().endswith(ENDINGS) else others).append(Path(parent, name))
    if not images:
        raise DataError(
            f"{folder} holds no image",
            evidence=f"looked for files that end with {', '.join(ENDINGS)}",
            remedy="give a folder of images, or one image file",
        )
    if others:
        names = [str(path.relative_to(folder)) for path in others]
        remarks.note(f"files that are no images were passed over: {named(names)}")
    return sorted(images)


def _idx(path: Path, dimensions: int = 3) -> np.ndarray:
    values = read_idx(path, dimensions=dimensions)
    return values if dimensions == 3 else values.astype(np.int64)


def _labels_of_file(images: Path) -> np.ndarray | None:
    try:
        return _idx(labels_beside(images), 1)
    except DataError:  # nobody said that there are any
        return None


def _are_paths(data: Any) -> bool:
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(item, str | os.PathLike) for item in data)


def _pixels(preprocessing: Preprocessing) -> bool:
    return isinstance(preprocessing.plan, ArrayPlan) and preprocessing.plan.pixels


def _what(preprocessing: Preprocessing) -> str:
    return "images" if _pixels(preprocessing) else "arrays of numbers"


def _shape(preprocessing: Preprocessing) -> tuple[int, ...] | str:
    return preprocessing.plan.shape if isinstance(preprocessing.plan, ArrayPlan) else "(...)"
