"""Whether a source is read into memory or stays on disk, and the data set that it then becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from trainwright.data.arraystream import find_arrays, stream_arrays
from trainwright.data.dataset import Dataset, check_choice
from trainwright.data.embedded import EMBEDDED
from trainwright.data.files import listing, locate
from trainwright.data.idx import is_idx
from trainwright.data.imagefile import read_image
from trainwright.data.imagefolder import found_images
from trainwright.data.imagestream import stream_images
from trainwright.data.npzfile import is_npz
from trainwright.data.parquetfile import is_parquet, parquet_cells
from trainwright.data.remote import is_url, listed
from trainwright.data.splits import Preparation
from trainwright.data.tableblocks import TableBlocks, parquet_blocks, table_blocks
from trainwright.data.tablestream import stream_table
from trainwright.data.tokenstream import find_tokens, stream_tokens
from trainwright.errors import UsageError

COMFORT = 0.5
"""Share of the free memory that data may take: the network, its gradients and the system want the rest."""
_CSV_TIMES = 5  # memory of a CSV file over its size: its cells as text, as numbers and as inputs
_CELL_BYTES = 24  # of a Parquet file's cell: as a number, once more by rows, and as an input
_PIXEL_BYTES = 5  # a byte, and a 32-bit number
Form = Literal["table", "shards", "images", "arrays", "tokens", "other"]


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How data may stay on disk: `asked` is "auto", True or False, `room` the bytes of memory that are free.

    `workers` threads read ahead.
    """

    asked: bool | Literal["auto"] = "auto"
    room: int | None = None
    workers: int = 1


def stream(
    source: str,
    streaming: Streaming,
    *,
    target: Sequence[str],
    task: str,
    preparation: Preparation,
    ignore: Sequence[str],
    image_size: int,
    context: int,
    data_root: str | None,
    folder: str | None,
) -> Dataset | None:
    """Return the data set of a source that stays on disk; None where it is to be read into memory.

    That is decided by `streaming`, or by the memory it would take; what has no other form than on disk (shards,
    memory-mapped arrays and tokens, URLs) is always read from there. Raises `UsageError` where it cannot be done.
    """
    if source in EMBEDDED:
        return _not_possible(source, "an embedded data set", streaming)
    if is_url(source):
        path, form = Path(source), "shards"
    else:
        path = locate(source, folder=folder, data_root=data_root, names=EMBEDDED)
        form = form_of(path)
    if form == "other":
        return _not_possible(source, "read into memory as a whole", streaming)
    always = form in ("shards", "arrays", "tokens")
    if always and streaming.asked is False:
        raise UsageError(
            f"'{source}' is always read from disk",
            evidence="data.streaming = false",
            remedy="leave data.streaming out, or store the data as a CSV, Parquet or .npz file",
        )
    need = 0 if always or streaming.asked != "auto" else needed(path, form, image_size)
    comfortable = streaming.room is None or need <= COMFORT * streaming.room
    if not always and (streaming.asked is False or (streaming.asked == "auto" and comfortable)):
        return None
    made = _made(source, path, form, streaming, (tuple(target), task, preparation, tuple(ignore), image_size, context))
    if made is None:
        return None
    blocks = len(made.train.stream.counts) if made.train.stream is not None else 0
    why = (
        f": in memory it would take about {_size(need)}, and {_size(streaming.room or 0)} are free "
        "(data.streaming = false reads it all the same)"
        if need
        else ""
    )
    return replace(
        made,
        notes=(f"{path.name} stays on disk, and is read in {blocks:,} block{'s' * (blocks != 1)}{why}", *made.notes),
    )


def form_of(path: Path) -> Form:
    """Return what lies at a path, as far as it can stay on disk."""
    if path.is_dir():
        if find_arrays(path):
            return "arrays"
        if find_tokens(path):
            return "tokens"
        return "shards" if _shards(path) else "images"
    if path.suffix in (".npy", ".bin"):
        return "tokens" if find_tokens(path) else "other"
    if path.name.lower().endswith((".txt", ".txt.gz")) or is_idx(path) or is_npz(path):
        return "other"
    return "table"


def needed(path: Path, form: Form, image_size: int) -> int:
    """Return about how many bytes of memory a source would take, from its size alone."""
    if form == "images":
        found = found_images(path)
        if found is None:
            return 0
        files = [file for by_class in found[1].values() for some in by_class.values() for file in some]
        pixels = image_size**2 if image_size else read_image(files[0]).pixels[0].size
        return len(files) * 3 * pixels * _PIXEL_BYTES
    if is_parquet(path):
        return parquet_cells(path) * _CELL_BYTES
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    return 0 if compressed else path.stat().st_size * _CSV_TIMES  # a gzipped file cannot be read from the middle


def _made(
    source: str,
    path: Path,
    form: Form,
    streaming: Streaming,
    asked: tuple[tuple[str, ...], str, Preparation, tuple[str, ...], int, int],
) -> Dataset | None:
    target, task, preparation, ignore, image_size, context = asked
    workers = streaming.workers
    if form in ("table", "shards"):
        blocks = _blocks(source, path, form)
        return stream_table(blocks, target=target, task=task, preparation=preparation, ignore=ignore, workers=workers)
    for setting, value in (("target", ", ".join(target)), ("ignore", ", ".join(ignore))):
        if value:
            raise UsageError(f"data.{setting} has no meaning for '{source}', which is no table")
    if form == "images":
        check_choice("task", task, ("auto", "classification"))
        return stream_images(path, image_size=image_size, task=task, preparation=preparation, workers=workers)
    if form == "arrays":
        return stream_arrays(
            path.resolve().name, find_arrays(path), task=task, preparation=preparation, workers=workers
        )
    check_choice("task", task, ("auto", "classification"))
    files = find_tokens(path)
    return stream_tokens(path.stem, files, context=context, preparation=preparation, workers=workers)


def _blocks(source: str, path: Path, form: Form) -> TableBlocks:
    if form == "table":
        return table_blocks(path)
    if is_url(source):
        return parquet_blocks(source, listed(source), whole=True)
    return parquet_blocks(str(path), tuple(map(str, _shards(path))))


def _shards(folder: Path) -> list[Path]:
    return [folder / name for name in listing(folder) if name.endswith(".parquet")]


def _not_possible(source: str, what: str, streaming: Streaming) -> None:
    if streaming.asked is True:
        raise UsageError(
            f"'{source}' cannot stay on disk: it is {what}",
            evidence="data.streaming = true",
            remedy="leave data.streaming out, or store it as CSV, Parquet, x.npy with y.npy, or a folder of images",
        )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
