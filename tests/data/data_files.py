"""Files that the tests of the data room write for themselves."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def write_csv(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def idx_bytes(array: np.ndarray, *, type_code: int = 8, sizes: Sequence[int] | None = None) -> bytes:
    sizes = array.shape if sizes is None else sizes
    return bytes([0, 0, type_code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + array.tobytes()


def write_idx(path: Path, array: np.ndarray) -> Path:
    content = idx_bytes(array.astype(np.uint8))
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 4, 3), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 3


def mnist_like(folder: Path, *, ending: str = ".gz", test: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count, seed in [("train", 60, 0)] + [("t10k", 12, 1)] * test:
        images, labels = pictures(count, seed)
        write_idx(folder / f"{prefix}-images-idx3-ubyte{ending}", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte{ending}", labels)
    return folder


def housing(rows: int = 120, seed: int = 0) -> list[dict[str, str]]:
    """Rows like those of the Californian districts: numbers, some missing, and one column of words."""
    rng = np.random.default_rng(seed)
    places = ["INLAND", "NEAR BAY", "<1H OCEAN"]
    return [
        {
            "longitude": f"{rng.uniform(-124, -114):.2f}",
            "bedrooms": "" if row % 10 == 0 else f"{rng.integers(100, 900)}.0",
            "income": f"{rng.uniform(1, 9):.4f}",
            "ocean": places[row % 3],
            "value": f"{rng.integers(50, 500) * 1000}.0",
        }
        for row in range(rows)
    ]


def csv_text(rows: Sequence[dict[str, str]], separator: str = ",") -> str:
    lines = [separator.join(rows[0])] + [separator.join(row.values()) for row in rows]
    return "\n".join(lines) + "\n"
