"""Tokens that stay on disk (.npy, or raw .bin of two bytes each), memory-mapped, as windows that follow one another."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import torch

from trainwright.data.arraystream import mapped
from trainwright.data.blocks import Stream
from trainwright.data.dataset import Dataset, Split
from trainwright.data.feed import Batch
from trainwright.data.files import listing
from trainwright.data.preprocessing import Preprocessing, TokenPlan
from trainwright.data.splits import Preparation, check_fractions
from trainwright.errors import DataError
from trainwright.randomness import generator
from trainwright.records import DataShape

BLOCK_TOKENS = 2**18
"""Tokens of a block: windows that are read together."""
MOST_TOKENS = 2**20
"""Largest vocabulary: a network has an output for each token."""
_CHUNK = 2**22
_KEPT_TOKENS = 2**17
_FILES = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}


def find_tokens(path: Path) -> dict[str, Path]:
    """Return the files of tokens of each part: `path` itself, or train.bin, val.bin and test.bin in a folder."""
    if path.is_file():
        if path.suffix == ".bin" or (path.suffix == ".npy" and _are_tokens(mapped(path))):
            return {"train": path}
        return {}
    names = set(listing(path))
    found = {}
    for part, stems in _FILES.items():
        for name in [stem + ending for stem in stems for ending in (".bin", ".npy")]:
            if name in names and part not in found and (name.endswith(".bin") or _are_tokens(mapped(path / name))):
                found[part] = path / name
    return found if "train" in found else {}


def open_tokens(path: Path) -> np.ndarray:
    """Return the tokens of a file, mapped: whole numbers `(n,)`; a .bin file holds uint16, low byte first."""
    if path.suffix == ".npy":
        return mapped(path)
    size = path.stat().st_size
    if size < 2 or size % 2:
        raise DataError(
            f"{path} holds no tokens of two bytes each",
            evidence=f"{size:,} bytes",
            remedy="write it with numpy: tokens.astype('<u2').tofile(file); larger vocabularies as .npy",
        )
    return np.memmap(path, dtype="<u2", mode="r")


def stream_tokens(
    name: str, files: dict[str, Path], *, context: int, preparation: Preparation, workers: int = 1
) -> Dataset:
    """Make tokens on disk a data set of windows of `context` tokens, each with the token after it as its target.

    A single file is divided where it stands, as a text is. The vocabulary is one more than the largest token of all
    files, found in a pass over them. Raises `DataError` where a part is too short, or a token is negative.
    """
    check_fractions(preparation.validation, preparation.test)
    tokens = {part: open_tokens(path) for part, path in files.items()}
    whole, sha, largest = tokens["train"], hashlib.sha256(), 0
    for part, some in tokens.items():
        sha.update(f"{part}|{some.dtype.str}|{len(some)}|".encode())
        largest = max(largest, _largest(some, files[part], sha))
    if not 2 <= largest + 1 <= MOST_TOKENS:
        raise DataError(
            f"{name} holds no tokens that a network could tell apart",
            evidence=f"the largest is {largest:,}",
            remedy=f"number the tokens from 0 to {MOST_TOKENS - 1:,} at most",
        )
    ends = [math.floor(len(whole) * share + 1e-6) for share in _shares(preparation, tokens)]
    bounds = {"train": (0, ends[0]), "validation": (ends[0], ends[1]), "test": (ends[1], len(whole))}
    splits: dict[str, Split] = {}
    counts = np.zeros(largest + 1, dtype=np.int64)
    for start in range(0, ends[0], _CHUNK):
        counts += np.bincount(whole[start : min(ends[0], start + _CHUNK)], minlength=largest + 1)
    for part, (start, end) in bounds.items():
        own = tokens.get(part) if part != "train" else None
        start, end = (start, end) if own is None else (0, len(own))
        if end > start:
            source = whole if own is None else own
            digest = hashlib.sha256(f"{sha.hexdigest()}|{part}|{start}|{end}".encode()).hexdigest()
            splits[part] = _split(part, source, (start, end), context, digest, tuple(counts.tolist()), workers)
    return Dataset(
        name=name,
        shape=DataShape(input_shape=(context,), outputs=largest + 1, task="classification", vocabulary=largest + 1),
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=tuple(map(str, range(largest + 1))),
        features=(),
        fingerprint=sha.hexdigest(),
        preprocessing=Preprocessing(kind="tokens", plan=TokenPlan(vocabulary=largest + 1, context=context)).plain(),
        notes=(),
    )


def _shares(preparation: Preparation, tokens: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return where validation and test begin in the training file; parts with files of their own take nothing."""
    test = 0.0 if "test" in tokens or "validation" in tokens else preparation.test
    validation = 0.0 if "validation" in tokens else preparation.validation
    return 1 - validation - test, 1 - test


def _split(
    part: str,
    tokens: np.ndarray,
    bounds: tuple[int, int],
    context: int,
    digest: str,
    class_counts: tuple[int, ...],
    workers: int,
) -> Split:
    start, end = bounds
    count = (end - start - 1) // context
    if count < 1:
        raise DataError(
            f"the {part} part is too short: it does not fill one window",
            evidence=f"{end - start:,} tokens; a window of data.context = {context} takes {context + 1:,}",
            remedy="set data.context lower, or give more tokens",
        )
    each = max(1, min(BLOCK_TOKENS, -(-count // 64) * context) // context)  # small data, too, have blocks to shuffle
    counts = np.diff(np.array([*range(0, count, each), count], dtype=np.int64))

    def read(block: int) -> Batch:
        first = start + block * each * context
        windows = int(counts[block])
        some = torch.from_numpy(tokens[first : first + windows * context + 1].astype(np.int64))
        x, y = (part.unfold(0, context, context) for part in (some[:-1], some[1:]))
        return x.clone(memory_format=torch.contiguous_format), y.clone(memory_format=torch.contiguous_format)

    order = torch.randperm(len(counts), generator=generator(0, "kept", part)).tolist()[:8]
    some = max(1, _KEPT_TOKENS // context // len(order))
    kept = [
        tuple(values[torch.linspace(0, len(values) - 1, min(some, len(values))).long()] for values in read(block))
        for block in order
    ]
    x, y = (torch.cat(values) for values in zip(*kept, strict=True))
    return Split(
        x=x,
        y=y,
        name=part,
        digest=digest,
        stream=Stream(
            counts=counts,
            read=read,
            sample_bytes=16 * context,
            class_counts=class_counts,
            workers=workers,
        ),
    )


def _are_tokens(array: np.ndarray) -> bool:
    return array.ndim == 1 and array.dtype.kind in "iu"


def _largest(tokens: np.ndarray, path: Path, sha: hashlib._Hash) -> int:
    found = 0
    for start in range(0, len(tokens), _CHUNK):
        some = np.ascontiguousarray(tokens[start : start + _CHUNK])
        sha.update(some.data)
        low, high = int(some.min()), int(some.max())
        if low < 0:
            raise DataError(
                f"{path} holds a negative token", evidence=str(low), remedy="number the tokens 0, 1, 2, ..."
            )
        found = max(found, high)
    return found
