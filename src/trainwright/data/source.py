"""Where data come from, read once: a table, arrays of samples, an embedded data set, or a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainwright.data.dataset import content_digest
from trainwright.data.embedded import EMBEDDED, EmbeddedArrays, EmbeddedSpec
from trainwright.data.files import listing, locate
from trainwright.data.idx import is_idx
from trainwright.data.imagefile import check_image_size
from trainwright.data.imagefolder import read_image_folder
from trainwright.data.npzfile import is_npz, read_npz
from trainwright.data.pictures import find_pair, read_idx_source
from trainwright.data.rawtable import RawTable
from trainwright.data.samples import Samples, SampleSource
from trainwright.data.tablefile import open_table
from trainwright.errors import DataError, UsageError

Kind = Literal["a table", "a set of images", "a file of arrays", "an embedded data set", "a text"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A source of data that has been found and read, but neither judged nor prepared.

    `given` is what the user called it, `place` its path, or its name where it is embedded. Of `table`, `samples` and
    `embedded` one is there; none for a text, which is read when it is prepared.
    """

    given: str
    place: str
    kind: Kind
    table: RawTable | None = None
    samples: SampleSource | None = None
    embedded: tuple[EmbeddedSpec, EmbeddedArrays] | None = None


def open_source(
    source: str, *, data_root: str | None = None, folder: str | None = None, image_size: int | None = None
) -> Source:
    """Find and read a source; the arguments are those of `load`.

    Both `inspect` and `load` take what this returns, so that nothing is read twice. Raises `DataError` where the data
    cannot be found or read, `UsageError` for an image size that makes no sense.
    """
    image_size = image_size or 0
    check_image_size(image_size)
    if not source:
        raise UsageError("no data is given", remedy=f"set data.source to a path, or to one of: {', '.join(EMBEDDED)}")
    opened = _open(source, data_root, folder, image_size)
    if image_size and (opened.samples is None or opened.samples.image_size == 0):
        raise UsageError(
            f"data.image_size has no meaning for '{source}', which is {opened.kind}",
            evidence=f"data.image_size = {image_size}",
            remedy="remove data.image_size, or give a folder of images as the source",
        )
    return opened


def _open(source: str, data_root: str | None, folder: str | None, image_size: int) -> Source:
    if source in EMBEDDED:
        return _embedded(EMBEDDED[source])
    path = locate(source, folder=folder, data_root=data_root, names=EMBEDDED)
    place = str(path)
    if path.is_dir():
        return Source(given=source, place=place, kind="a set of images", samples=_read_folder(path, image_size))
    if path.name.lower().endswith((".txt", ".txt.gz")):
        return Source(given=source, place=place, kind="a text")
    if is_idx(path):
        return Source(given=source, place=place, kind="a set of images", samples=read_idx_source(path))
    if is_npz(path):
        return Source(given=source, place=place, kind="a file of arrays", samples=read_npz(path))
    return Source(given=source, place=place, kind="a table", table=open_table(path))


def _embedded(spec: EmbeddedSpec) -> Source:
    arrays = spec.read()
    if len(spec.input_shape) != 3:
        return Source(given=spec.name, place=spec.name, kind="an embedded data set", embedded=(spec, arrays))
    samples = SampleSource(
        name=spec.name,
        parts={"train": Samples(x=arrays.x[:, None], y=arrays.y)},
        pixels=True,
        scale=spec.scale,
        classes=arrays.classes,
        fingerprint=content_digest(arrays.x, arrays.y),
    )
    return Source(given=spec.name, place=spec.name, kind="an embedded data set", samples=samples)


def _read_folder(path: Path, image_size: int) -> SampleSource:
    if find_pair(path, "train") is not None or find_pair(path, "test") is not None:
        return read_idx_source(path)
    images = read_image_folder(path, image_size=image_size)
    if images is not None:
        return images
    inside = listing(path)
    raise DataError(
        f"{path} is a folder, but no data set",
        evidence=f"it holds {', '.join(inside[:8]) or 'nothing'}{', ...' if len(inside) > 8 else ''}",
        remedy="give a folder that holds a folder of images for each class, or train-images-idx3-ubyte and "
        "train-labels-idx1-ubyte (each may end with .gz); or give a data file",
    )
