"""A file of NumPy arrays (.npz): which array is what, and what is no data set."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.data.dataset import content_digest
from trainwright.data.files import MOST_BYTES, check_expansion, opened, read_upto
from trainwright.data.samples import Samples, SampleSource
from trainwright.data.scaling import channels_first
from trainwright.errors import DataError, first_line

INPUTS = ("x", "images", "image", "features", "inputs", "data")
TARGETS = ("y", "labels", "label", "targets", "target")
PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}
CLASS_NAMES = ("class_names", "target_names", "classes")
FEATURE_NAMES = ("feature_names",)
_IMAGES = ("images", "image")
_KEYS = (
    "store inputs as x (or images, features) and targets as y (or labels, targets); splits of their own as x_train, "
    "y_train, x_validation, y_validation, x_test, y_test"
)


def is_npz(path: Path) -> bool:
    """Return whether the file is a zip archive of NumPy arrays, or called one."""
    if path.name.lower().endswith(".npz"):
        return True
    with opened(path) as stream:
        if bytes(read_upto(stream, 2)) != b"PK":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def read_npz(path: Path) -> SampleSource:
    """Read arrays of inputs and targets into memory, nothing unpickled.

    Inputs are called x, images, features, inputs or data, targets y, labels or targets; alone, they are divided, and
    with _train, _validation (_val) and _test behind or before them, they are splits. `class_names` (or target_names,
    classes) and `feature_names` may name the classes and the columns. uint8 of three or four dimensions, and what is
    called images, are images, with channels first or last; other inputs of three dimensions are sequences
    `(n, length, features)`. Raises `DataError` for arrays of Python objects, damaged files, inputs that are no finite
    numbers, and where inputs and targets do not belong together.
    """
    arrays = _read(path)
    inputs, targets, rest = _sort(arrays, path)
    class_names, feature_names = (_names(arrays, known, path) for known in (CLASS_NAMES, FEATURE_NAMES))
    unused = [key for key in rest if key.lower() not in CLASS_NAMES + FEATURE_NAMES]
    parts: dict[str, Samples] = {}
    for part, key in inputs.items():
        if part not in targets:
            unused.append(key)
            continue
        _check_pair(arrays[key], key, arrays[targets[part]], targets[part], path)
        parts[part] = Samples(x=arrays[key], y=arrays[targets[part]])
    unused += [targets[part] for part in targets if part not in parts]
    first = parts["train"].x
    pictures = first.ndim == 3 and (first.dtype == np.uint8 or inputs["train"].lower().split("_")[0] in _IMAGES)
    if pictures or first.ndim == 4:
        parts = {part: Samples(x=channels_first(some.x), y=some.y) for part, some in parts.items()}
    sequences = first.ndim == 3 and not pictures
    notes = [f"{path.name}: arrays that were not used: {', '.join(unused)}"] if unused else []
    if sequences:
        notes.append(
            f"'{inputs['train']}' was taken as sequences of {first.shape[1]} steps of {first.shape[2]} features; "
            "grey images are told by the type uint8, or by the name images"
        )
    return SampleSource(
        name=path.stem,
        parts=parts,
        pixels=first.dtype == np.uint8 and (pictures or first.ndim == 4),
        axis=1 if sequences else 0,
        target=targets["train"],
        classes=class_names,
        features=feature_names if first.ndim == 2 and len(feature_names) == first.shape[1] else (),
        fingerprint=content_digest(*(array for some in parts.values() for array in (some.x, some.y))),
        notes=tuple(notes),
    )


def read_inputs(path: Path) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    """Return the inputs of each split of an .npz file, by its name, with the targets where there are such.

    Raises `DataError` as `read_npz` does, but targets may be missing.
    """
    arrays = _read(path)
    inputs, targets, _ = _sort(arrays, path, alone=True)
    return [(part, arrays[key], arrays[targets[part]] if part in targets else None) for part, key in inputs.items()]


def is_npy(path: Path) -> bool:
    """Return whether the file is a single NumPy array."""
    with opened(path) as stream:
        return bytes(read_upto(stream, 6)) == b"\x93NUMPY"


def read_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file, nothing unpickled. Raises `DataError` where it is damaged or holds objects."""
    try:
        with opened(path) as stream:
            return np.load(stream, allow_pickle=False)
    except Exception as problem:  # a damaged file can fail in any of a dozen ways
        words = str(problem).strip().splitlines()
        raise DataError(
            f"{path} is a damaged NumPy array, or one of Python objects, which are not read",
            evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
            remedy="write it again: np.save(file, array) of numbers",
        ) from None


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with opened(path) as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is no archive of arrays", evidence="a single array", remedy=_KEYS)
            members = archive.zip.infolist() if archive.zip is not None else []
            size = sum(info.file_size for info in members)
            check_expansion(str(path), size, sum(info.compress_size for info in members))
            if size > MOST_BYTES:
                raise DataError(
                    f"{path} is too large to be held in memory",
                    evidence=f"its arrays are {size:,} bytes; at most {MOST_BYTES:,} are read",
                    remedy="store a sample of its rows, or pass a DataLoader from Python",
                )
            return {key: _array(archive, key, path) for key in archive.files}
    except DataError:
        raise
    except Exception as problem:  # a damaged archive can fail in any of a dozen ways
        words = str(problem).strip().splitlines()
        raise DataError(
            f"{path} is damaged, or no archive of NumPy arrays",
            evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
            remedy="write it again with np.savez, or copy it again",
        ) from None


def _array(archive: Any, key: str, path: Path) -> np.ndarray:
    try:
        value = archive[key]
    except ValueError as problem:
        if "allow_pickle" not in str(problem):
            raise
        raise DataError(
            f"'{key}' in {path} holds Python objects, which are not read: unpickling a file can run any code",
            evidence=first_line(problem),
            remedy="store numbers or text: array.astype(float), or array.astype(str) for words",
        ) from None
    if not isinstance(value, np.ndarray) or value.dtype.hasobject or value.dtype.kind not in "biufUS":
        raise DataError(
            f"'{key}' in {path} holds neither numbers nor words",
            evidence=f"{getattr(value, 'dtype', type(value).__name__)}",
            remedy="store real numbers, or words as text",
        )
    return value


def _sort(
    arrays: Mapping[str, np.ndarray], path: Path, *, alone: bool = False
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return the inputs and the targets of each split by their keys, and the keys that are neither.

    Inputs may be `alone`, of any split.
    """
    found: tuple[dict[str, str], dict[str, str]] = ({}, {})
    rest = []
    for key in arrays:
        role = role_of(key)
        if role is None:
            rest.append(key)
            continue
        kind, part = role
        if part in found[kind]:
            what = "targets" if kind else "inputs"
            raise DataError(
                f"{path} holds two arrays of {part} {what}: '{found[kind][part]}' and '{key}'",
                evidence=f"the arrays are {', '.join(arrays)}",
                remedy=_KEYS,
            )
        found[kind][part] = key
    if not found[0] if alone else "train" not in found[0] or "train" not in found[1]:
        raise DataError(
            f"{path} does not say which array holds the {'inputs' if alone or 'train' not in found[0] else 'targets'}",
            evidence=f"the arrays are {', '.join(arrays) or '(none)'}",
            remedy=_KEYS,
        )
    return *found, rest


def role_of(key: str) -> tuple[int, str] | None:
    """Return what an array is by its name: 0 for inputs or 1 for targets, and of which split; None for neither."""
    words = key.lower().split("_")
    spellings = {spelling: part for part, spellings in PARTS.items() for spelling in spellings}
    for kind, stems in enumerate((INPUTS, TARGETS)):
        if len(words) == 1 and words[0] in stems:
            return kind, "train"
        if len(words) == 2:
            for stem, part in (words, reversed(words)):
                if stem in stems and part in spellings:
                    return kind, spellings[part]
    return None


def _names(arrays: Mapping[str, np.ndarray], known: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Return the words of the array that is called by one of the names `known`, () where there is none."""
    found = [key for key in arrays if key.lower() in known]
    if not found:
        return ()
    words = arrays[found[0]]
    if words.ndim != 1 or words.dtype.kind not in "US" or len(set(words.tolist())) != len(words):
        raise DataError(
            f"'{found[0]}' in {path} is no list of names",
            evidence=f"shape {words.shape}, {words.dtype}",
            remedy="store different words, as text: np.array(names)",
        )
    return tuple(str(word) for word in (np.char.decode(words, "utf-8") if words.dtype.kind == "S" else words).tolist())


def _check_pair(x: np.ndarray, x_key: str, y: np.ndarray, y_key: str, path: Path) -> None:
    """Raise `DataError` unless inputs are finite numbers with an axis of features, and have a target each."""
    where = f"'{x_key}' in {path}"
    if x.dtype.kind not in "biuf" or x.ndim < 2 or x.size == 0:
        raise DataError(
            f"{where} does not hold numbers, a row of features for each sample",
            evidence=f"shape {x.shape}, {x.dtype}",
            remedy="store numbers of the shape (n, features) or (n, channels, height, width)",
        )
    if y.ndim == 0 or len(x) != len(y):
        raise DataError(
            f"'{x_key}' and '{y_key}' in {path} do not belong together",
            evidence=f"shapes {x.shape} and {y.shape}",
            remedy="store one target for each sample, in the same order",
        )
    if x.dtype.kind != "f":
        return
    low, high = float(x.min()), float(x.max())  # NaN where any value is
    largest = float(np.finfo(np.float32).max)
    if not -largest <= low <= high <= largest:
        wrong = ~(np.abs(x) <= largest)
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise DataError(
            f"{where} holds values that are missing, infinite, or too large for a 32-bit number",
            evidence=f"{int(wrong.sum()):,} of them, the first at {list(place)}: {x[place]}",
            remedy="fill or remove them; a CSV or Parquet table may have missing values, which are filled then",
        )
