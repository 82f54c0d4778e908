"""Data behind a URL: listed and read through fsspec, which speaks to S3, GCS, Azure, HTTP, SSH and others."""

from __future__ import annotations

import re
from typing import Any

from trainwright.errors import DataError, UsageError, first_line

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_EXTRAS = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
}
MOST_SHARD = 2**30
"""Bytes of a shard at most: each is read as a whole."""


def is_url(source: str) -> bool:
    """Say whether a source is no path on this machine: "s3://bucket/train-*.parquet"."""
    return _URL.match(source) is not None


def listed(url: str) -> tuple[str, ...]:
    """Return what a URL names, sorted: itself, what its * and ? match, or the Parquet files of a folder.

    Raises `DataError` where there is nothing or nobody answers, `UsageError` where the library that speaks to it is
    missing.
    """
    system, path = _system(url)
    try:
        if any(mark in path for mark in "*?["):
            found = sorted(map(str, system.glob(path)))
        elif system.isdir(path):
            found = sorted(name for name in map(str, system.ls(path, detail=False)) if name.endswith(".parquet"))
        else:
            found = [path] if system.exists(path) else []
    except Exception as problem:
        raise _unreachable(url, problem) from None
    if not found:
        raise DataError(
            f"{url} names nothing",
            evidence="no file there, or none that ends with .parquet",
            remedy="give the URL of Parquet files, such as s3://bucket/train-*.parquet",
        )
    return tuple(system.unstrip_protocol(name) for name in found)


def read_url(url: str) -> bytes:
    """Return what lies behind a URL. Raises as `listed` does, and `DataError` for more than `MOST_SHARD` bytes."""
    system, path = _system(url)
    try:
        size = system.size(path)
        if size is not None and size > MOST_SHARD:
            raise DataError(
                f"{url} is too large a shard",
                evidence=f"{size:,} bytes; each is read as a whole, {MOST_SHARD:,} at most",
                remedy="write shards of some hundred megabytes",
            )
        return bytes(system.cat_file(path))
    except DataError:
        raise
    except Exception as problem:
        raise _unreachable(url, problem) from None


def _system(url: str) -> tuple[Any, str]:
    protocol = url.split("://", 1)[0].lower()
    try:
        import fsspec
    except ImportError:
        raise UsageError(
            f"{url} lies elsewhere, and fsspec, which would read it, is not installed",
            remedy="pip install trainwright[remote]",
        ) from None
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as problem:
        package = _EXTRAS.get(protocol)
        raise UsageError(
            f"{protocol}:// needs a library that is not installed",
            evidence=first_line(problem),
            remedy=f"pip install {package}" if package else "install what fsspec names",
        ) from None
    except ValueError as problem:
        raise DataError(
            f"nobody knows how to read {protocol}://", evidence=str(problem)[:200], remedy="give a path, or another URL"
        ) from None


def _unreachable(url: str, problem: Exception) -> DataError:
    words = str(problem).strip().splitlines()
    return DataError(
        f"{url} cannot be read",
        evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
        remedy="check the URL, the network, and the credentials that its library looks for",
    )
