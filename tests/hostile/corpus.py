"""Files that are wrong in every way a file can be wrong, and what must become of each: read right, or refused."""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

Build = Callable[[Path], str]
"""Makes files in a folder, and returns the source among them."""


@dataclass(frozen=True)
class Case:
    """One hostile source. `words` is what the refusal must hold; "" says that it must be read, and trained on."""

    name: str
    build: Build
    words: str = ""


def raw(file: str, content: bytes) -> Build:
    def build(folder: Path) -> str:
        (folder / file).write_bytes(content)
        return file

    return build


def rows(header: str = "a,b,label", count: int = 40, *, cell: str = "{0}", label: str = "") -> str:
    """A table that can be learnt from; `{0}` in `cell` is the row's number."""
    lines = [f"{cell.format(row)},{row % 7}.5,{label or 'xy'[row % 2]}" for row in range(count)]
    return "\n".join([header, *lines]) + "\n"


def table(text: str | bytes, file: str = "t.csv") -> Build:
    return raw(file, text if isinstance(text, bytes) else text.encode())


GOOD = rows()


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def small_png(shade: int = 0) -> bytes:
    return png(4, 4, (b"\0" + bytes([shade] * 4)) * 4)


def images(**files: bytes) -> Build:
    """A folder of two classes of good images, and other files by "class__name__ending"."""

    def build(folder: Path) -> str:
        for label in ("cat", "dog"):
            (folder / "pics" / label).mkdir(parents=True)
            for place in range(20):
                (folder / "pics" / label / f"{place}.png").write_bytes(small_png(place * (2 if label == "cat" else 9)))
        for name, content in files.items():
            label, stem, ending = name.split("__")
            (folder / "pics" / label).mkdir(exist_ok=True)
            (folder / "pics" / label / f"{stem}.{ending}").write_bytes(content)
        return "pics"

    return build


def npz(**arrays: Any) -> Build:
    def build(folder: Path) -> str:
        np.savez(folder / "a.npz", **arrays)
        return "a.npz"

    return build


def zipped(*members: tuple[str, bytes], file: str = "a.npz", method: int = zipfile.ZIP_DEFLATED) -> Build:
    def build(folder: Path) -> str:
        with zipfile.ZipFile(folder / file, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return file

    return build


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def parquet(frame: pl.DataFrame, *, cut: int | None = None, flip: int | None = None) -> Build:
    def build(folder: Path) -> str:
        content = io.BytesIO()
        frame.write_parquet(content)
        data = bytearray(content.getvalue())
        if flip is not None:
            data[flip] ^= 0xFF
        (folder / "t.parquet").write_bytes(data[:cut] if cut else data)
        return "t.parquet"

    return build


def idx(array: np.ndarray, sizes: tuple[int, ...] | None = None, code: int = 8) -> bytes:
    sizes = sizes or array.shape
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + array.tobytes()


def pair(pictures: bytes, labels: bytes) -> Build:
    def build(folder: Path) -> str:
        (folder / "x-images-idx3-ubyte").write_bytes(pictures)
        (folder / "x-labels-idx1-ubyte").write_bytes(labels)
        return "x-images-idx3-ubyte"

    return build


def nothing(folder: Path) -> str:
    (folder / "d").mkdir()
    return "d"


def cut_npz(folder: Path) -> str:
    source = npz(x=X, y=Y)(folder)
    os.truncate(folder / source, 300)
    return source


def fifo(folder: Path) -> str:
    os.mkfifo(folder / "t.csv")
    return "t.csv"


def device(folder: Path) -> str:
    return "/dev/zero"


def linked_device(folder: Path) -> str:
    (folder / "t.csv").symlink_to("/dev/zero")
    return "t.csv"


def linked_images(folder: Path) -> str:
    """A folder of images in which one class is a link to a folder elsewhere, with files of somebody else."""
    source = images()(folder)
    (folder / "elsewhere").mkdir()
    for place in range(20):
        (folder / "elsewhere" / f"{place}.png").write_bytes(small_png(place))
    (folder / source / "private").symlink_to(folder / "elsewhere")
    return source


def linked_image(folder: Path) -> str:
    source = images()(folder)
    (folder / "secret.png").write_bytes(small_png())
    (folder / source / "cat" / "secret.png").symlink_to(folder / "secret.png")
    return source


def piped(name: str) -> Build:
    def build(folder: Path) -> str:
        os.mkfifo(folder / name)
        return name

    return build


def sparse(name: str, head: bytes, gigabytes: int = 40) -> Build:
    """Zeros after `head`, which take no room on the disk."""

    def build(folder: Path) -> str:
        (folder / name).write_bytes(head)
        os.truncate(folder / name, gigabytes * 2**30)
        return name

    return build


def sparse_image(folder: Path) -> str:
    source = images()(folder)
    os.truncate(folder / source / "cat" / "0.png", 40 * 2**30)
    return source


def encrypted(folder: Path) -> str:
    """An archive whose members say that they are encrypted."""
    source = npz(x=X, y=Y)(folder)
    data = bytearray((folder / source).read_bytes())
    for mark, flag in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(mark)
        while place >= 0:
            data[place + flag] |= 1
            place = data.find(mark, place + 4)
    (folder / source).write_bytes(data)
    return source


def many_members(folder: Path) -> str:
    return zipped(*((f"m{place}.npy", b"") for place in range(20_000)))(folder)


def labels_are_a_folder(folder: Path) -> str:
    (folder / "x-images-idx3-ubyte").write_bytes(PICTURES)
    (folder / "x-labels-idx1-ubyte").mkdir()
    return "x-images-idx3-ubyte"


def circular(folder: Path) -> str:
    (folder / "t.csv").symlink_to("t.csv")
    return "t.csv"


def image_fifo(folder: Path) -> str:
    source = images()(folder)
    os.mkfifo(folder / source / "cat" / "x.png")
    return source


def odd_names(folder: Path) -> str:
    source = images()(folder)
    (folder / source / "dog").rename(folder / source / "d\x1b[31mo\ng\u202e")
    return source


def shadow_labels(folder: Path) -> str:
    (folder / "x-images-idx3-ubyte").write_bytes(PICTURES)
    os.mkfifo(folder / "x-labels-idx1-ubyte")
    return "x-images-idx3-ubyte"


def gzip_bomb(folder: Path, unit: bytes = b"0,1,x\n", size: int = 3 * 2**30) -> str:
    """Some 3 MB that are 3 GiB of rows: deflate repeats at best a thousandfold."""
    block = unit * (2**24 // len(unit))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(b"a,b,label\n" + block) + packer.flush(zlib.Z_FULL_FLUSH)
    repeat = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    assert repeat == again or len(repeat) == len(again)
    with open(folder / "t.csv.gz", "wb") as file:
        file.write(first)
        for _ in range(size // len(block)):
            file.write(again)
    return "t.csv.gz"


def text_bomb(folder: Path) -> str:
    (folder / gzip_bomb(folder, b"abcd\n")).rename(folder / "t.txt.gz")
    return "t.txt.gz"


def npz_bomb(folder: Path) -> str:
    """Some 100 KB that are 288 MiB of zeros."""
    count = 288 * 2**20 // 8
    head = npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({count // 4}, 4), }}")
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            file.write(head)
            for _ in range(18):
                file.write(bytes(2**24))
        archive.writestr("y.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4,), }", bytes(32)))
    return "a.npz"


def idx_bomb(folder: Path) -> str:
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**17, 64, 48)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with open(folder / "x-images-idx3-ubyte", "wb") as file:
        file.write(packer.compress(head))
        for _ in range(18):
            file.write(packer.compress(bytes(2**24)))
        file.write(packer.flush())
    (folder / "x-labels-idx1-ubyte").write_bytes(LABELS)
    return "x-images-idx3-ubyte"


def parquet_bomb(folder: Path) -> str:
    """A few KB that are 300 million rows."""
    zeros = pl.repeat(0, 300_000_000, dtype=pl.Int8)
    pl.select(zeros.alias("a"), zeros.alias("label")).write_parquet(folder / "t.parquet", row_group_size=300_000_000)
    return "t.parquet"


def dictionary_bomb(folder: Path) -> str:
    """A few KB that are 8,000 cells of a million characters each."""
    word = pl.Series("a", ["x" * 2**20], dtype=pl.Categorical).new_from_index(0, 8000)
    pl.DataFrame([word, pl.Series("label", ["x", "y"] * 4000)]).write_parquet(folder / "t.parquet")
    return "t.parquet"


def lying_zip(folder: Path) -> str:
    """The archive's directory says 100 bytes; the member inflates to 16 MiB."""
    source = zipped(("x.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (16777216,), }", bytes(2**24))))(
        folder
    )
    data = bytearray((folder / source).read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 100)
    (folder / source).write_bytes(data)
    return source


PICTURES = idx(np.arange(40 * 16, dtype=np.uint32).astype(np.uint8).reshape(40, 4, 4))
LABELS = idx(np.arange(40, dtype=np.uint8) % 2)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), np.arange(40) % 2
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "label": [str(value) for value in Y]})
BOM = b"\xef\xbb\xbf"

CSV = [
    Case("nul-byte", table(GOOD.replace("3.5", "3\0.5", 1)), "byte 0x00"),
    Case("control-characters", table(GOOD.replace("3.5", "\x07\x08", 1)), "byte 0x07"),
    Case("escape-in-a-cell", table(GOOD.replace("x", "\x1b[31mx")), "0x1b"),
    Case("ragged-short", table(GOOD + "1,2\n"), "ragged: line 42"),
    Case("ragged-long", table(GOOD + "1,2,x,4\n"), "ragged: line 42"),
    Case("quote-never-closed", table(GOOD + '"1,2,x\n' + GOOD), "cannot be read as CSV"),
    Case("text-after-a-quote", table(GOOD + '"1"2,2,x\n'), "cannot be read as CSV"),
    Case("huge-cell", table(GOOD.replace("x", "x" * 200_000, 1)), "cannot be read as CSV"),
    Case("huge-quoted-cell", table(GOOD + '"' + "1\n" * 200_000 + '",1,x\n'), "cannot be read as CSV"),
    Case("many-columns", table(",".join(f"c{i}" for i in range(20_000)) + "\n" + ",".join("1" * 20_000) + "\n"), " "),
    Case("duplicate-header", table(rows("a,a,label")), "two columns called 'a'"),
    Case("headers-that-differ-in-blanks", table(rows("a,a ,label")), "two columns called 'a'"),
    Case("empty-header", table(rows("a,,label"))),
    Case("right-to-left-header", table(rows("\u202eab,\u05d0\u05d1,label"))),
    Case("zero-width-header", table(rows("a,a\u200b,label"))),
    Case("header-of-markup", table(rows("[bold]a,<script>alert(1)</script>,label"))),
    Case("formula-header", table(rows('=cmd|"/c calc"!A1,b,label'.replace('"', "'")))),
    Case("formula-cells", table(rows(cell="=1+{0}"))),
    Case("formula-labels", table(GOOD.replace(",x", ",=cmd|' /C calc'!A0").replace(",y", ",@SUM(1)"))),
    Case("header-alone", table("a,b,label\n"), "header and no rows"),
    Case("empty-file", table(""), "is empty"),
    Case("byte-order-mark-alone", table(BOM), " "),
    Case("blank-lines-alone", table("\n\n \n"), "holds no rows"),
    Case("one-row", table("a,b,label\n1,2,x\n"), " "),
    Case("two-rows", table("a,b,label\n1,2,x\n2,3,y\n"), " "),
    Case("one-class", table(rows(label="x")), " "),
    Case("one-value-to-predict", table(rows(label="1.5")), " "),
    Case("a-class-for-each-row", table(rows().replace(",x", ",x{}").replace(",y", ",y{}")), ""),
    Case("target-all-missing", table("a,b,label\n" + "1,2,\n" * 40), " "),
    Case("numbers-beyond-floats", table(rows(cell="{0}e999")), "1e999"),
    Case("numbers-beyond-float32", table(rows(cell="{0}e300")), " "),
    Case("not-a-number", table(rows(cell="nan"))),
    Case("one-infinity", table(GOOD + "inf,1,x\n-Infinity,1,y\n"), "inf"),
    Case("a-number-of-5000-digits", table(rows(cell="9" * 5000)), " "),
    Case("integers-beyond-64-bits", table(rows(cell="18446744073709551616{0}"))),
    Case("hexadecimal-and-underscores", table(rows(cell="0x{0}") + "1_000,1,x\n")),
    Case("utf-16", table(GOOD.encode("utf-16")), "a text in UTF-16"),
    Case("utf-16-without-mark", table(GOOD.encode("utf-16-le")), "byte 0x00"),
    Case("utf-32", table(GOOD.encode("utf-32")), "a text in UTF-16"),
    Case("latin-1", table(GOOD.replace("x", "\xe9").encode("latin-1"))),
    Case("no-known-encoding", table(GOOD.encode() + b"\xff\x81,1,x\n"), "unknown encoding"),
    Case("overlong-utf-8", table(GOOD.encode() + b"\xc0\xaf,1,x\n"), "holds numbers, but not in line 42"),
    Case("surrogates-as-utf-8", table(GOOD.encode() + b"\xed\xa0\x80,1,x\n"), "holds numbers"),
    Case("two-byte-order-marks", table(BOM + BOM + GOOD.encode())),
    Case("mixed-line-ends", table(GOOD.replace("\n", "\r\n", 20).replace("1.5", "1.5\n".strip()))),
    Case("old-mac-line-ends", table(GOOD.replace("\n", "\r"))),
    Case("all-separators", table(GOOD + "1;2\t3,4|5,x\n"), "holds numbers, but not in line 42"),
    Case("comments-without-end", table("# " + "x" * 1_000_000 + "\n" + GOOD), " "),
    Case("ten-thousand-comments", table("#x\n" * 10_000 + GOOD), " "),
    Case("emoji-and-marks", table(rows("\U0001f600,e\u0301,label", cell="\U0001f4a9{0}"))),
    Case("a-python-expression", table(rows(cell="__import__('os').system('touch {0}')"))),
    Case("truncated-gzip", raw("t.csv.gz", gzip.compress(GOOD.encode() * 50)[:-30]), "damaged gzip"),
    Case("gzip-with-a-wrong-checksum", raw("t.csv.gz", gzip.compress(GOOD.encode())[:-8] + bytes(8)), "damaged gzip"),
    Case("gzip-and-noise-after-it", raw("t.csv.gz", gzip.compress(GOOD.encode()) + b"\x01noise"), "damaged gzip"),
    Case("gzip-in-gzip", raw("t.csv.gz", gzip.compress(gzip.compress(GOOD.encode()))), "byte 0x1f"),
    Case("an-excel-workbook", zipped(("xl/workbook.xml", b"<x/>"), file="t.csv"), "Excel"),
    Case("a-pipe", fifo, "no regular file"),
    Case("a-device", device, "no regular file"),
    Case("a-link-to-a-device", linked_device, "no regular file"),
    Case("a-link-to-itself", circular, "leads nowhere"),
    Case("a-folder-of-nothing", nothing, "no data set"),
    Case("a-name-with-a-nul", lambda folder: "t\0.csv", "cannot be"),
    Case("a-name-too-long", lambda folder: "t" * 5000, "cannot be found"),
    Case("gzip-bomb", gzip_bomb, "expands"),
    Case("zeros-without-end", sparse("t.csv", b""), "byte 0x00"),
    Case("a-table-and-zeros-without-end", sparse("t.csv", GOOD.encode()), "byte 0x00"),
    Case("a-row-of-a-million-cells", table(GOOD + "," * 1_000_000 + "\n"), "ragged: line 42"),
    Case("gzip-of-many-members", raw("t.csv.gz", gzip.compress(b"") * 20_000 + gzip.compress(GOOD.encode()))),
    Case("a-name-that-breaks-the-line", table("a,b\n1\n", "t\n::error::x\x1b[31m.csv"), "ragged"),
]
BINARY = [
    Case("parquet-cut", parquet(FRAME, cut=-20), "damaged Parquet"),
    Case("parquet-of-magic-alone", raw("t.parquet", b"PAR1"), "damaged Parquet"),
    Case(
        "parquet-of-lies", raw("t.parquet", b"PAR1" + b"\xff" * 64 + struct.pack("<I", 2**31 - 1) + b"PAR1"), "damaged"
    ),
    Case("parquet-flipped", parquet(FRAME, flip=-30), "damaged Parquet"),
    Case("parquet-without-rows", parquet(FRAME.head(0)), "no rows"),
    Case("parquet-without-columns", parquet(pl.DataFrame()), "no columns"),
    Case("parquet-of-lists", parquet(pl.DataFrame({"a": [[1.0]] * 40, "label": ["x", "y"] * 20})), " "),
    Case("parquet-of-infinities", parquet(FRAME.with_columns(a=pl.lit(float("inf")))), "inf"),
    Case("parquet-of-markup", parquet(FRAME.rename({"a": "\x1b[2J</script>\u202e"}))),
    Case("parquet-bomb", parquet_bomb, "too large"),
    Case("parquet-of-one-long-word", dictionary_bomb, "too large"),
    Case("npz-of-objects", npz(x=np.array([{}] * 40, dtype=object), y=Y), "unpickling"),
    Case("npz-of-nothing", npz(), "does not say which array"),
    Case("npz-without-targets", npz(x=X), "does not say which array"),
    Case("npz-of-other-lengths", npz(x=X, y=Y[:7]), "do not belong together"),
    Case("npz-with-nan", npz(x=np.where(X > 1, np.nan, X), y=Y), "missing, infinite"),
    Case("npz-beyond-float32", npz(x=X * 1e300, y=Y), "too large for a 32-bit"),
    Case("npz-of-complex-numbers", npz(x=X + 1j, y=Y), "neither numbers"),
    Case("npz-of-dates", npz(x=X.astype("datetime64[s]"), y=Y), "neither numbers"),
    Case("npz-of-records", npz(x=np.zeros(40, dtype=[("a", "f4")]), y=Y), "neither numbers"),
    Case("npz-of-no-rows", npz(x=X[:0], y=Y[:0]), "does not hold numbers"),
    Case("npz-cut", cut_npz, "damaged"),
    Case("npz-of-noise", raw("a.npz", bytes(range(256)) * 9), "damaged"),
    Case("npz-that-is-a-pickle", raw("a.npz", b"\x80\x04\x95\x00"), "damaged"),
    Case("npz-with-a-path-outside", zipped(("../../x.npy", b"x"), ("/etc/y.npy", b"y")), " "),
    Case(
        "npz-with-a-negative-shape", zipped(("x.npy", npy("{'descr':'<f8','fortran_order':False,'shape':(-1,4)}"))), " "
    ),
    Case(
        "npz-with-a-huge-shape", zipped(("x.npy", npy("{'descr':'<f8','fortran_order':False,'shape':(2**60,4)}"))), " "
    ),
    Case(
        "npz-with-an-immense-shape",
        zipped(("x.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 4), }"))),
        "damaged",
    ),
    Case("npz-with-code-as-header", zipped(("x.npy", npy("__import__('os').system('true')"))), " "),
    Case("npz-nested-deeply", zipped(("x.npy", npy("(" * 5000 + ")" * 5000))), " "),
    Case("npz-bomb", npz_bomb, "expands"),
    Case("npz-whose-directory-lies", lying_zip, " "),
    Case("idx-cut", pair(PICTURES[:-9], LABELS), "truncated"),
    Case("idx-too-long", pair(PICTURES + b"x", LABELS), "longer than its header"),
    Case("idx-that-claims-terabytes", pair(idx(np.zeros(1, np.uint8), (2**31, 2**16, 2**16)), LABELS), "damaged"),
    Case("idx-of-nothing", pair(idx(np.zeros((0, 4, 4), np.uint8)), LABELS), "is empty"),
    Case("idx-of-floats", pair(idx(np.zeros((4, 4, 4), np.float32), code=13), LABELS), "unexpected type"),
    Case("idx-of-another-count", pair(PICTURES, LABELS[:4] + struct.pack(">I", 9) + LABELS[8:17]), "not belong"),
    Case("idx-mixed-up", pair(LABELS, PICTURES), "dimension"),
    Case("idx-whose-labels-are-a-pipe", shadow_labels, "no labels file"),
    Case("idx-gzip-bomb", idx_bomb, "expands"),
    Case("npz-that-is-a-pipe", piped("a.npz"), "no regular file"),
    Case("parquet-that-is-a-pipe", piped("t.parquet"), "no regular file"),
    Case("npz-and-zeros-without-end", sparse("a.npz", b"PK\3\4"), "damaged"),
    Case("npz-that-is-encrypted", encrypted, "encrypted"),
    Case("npz-of-many-members", many_members, " "),
    Case("npz-of-long-words", npz(x=np.array(["a" * 10_000] * 40), y=Y), "does not hold numbers"),
    Case("parquet-of-records", parquet(pl.DataFrame({"a": [{"b": [1]}] * 40, "label": ["x", "y"] * 20})), "records"),
    Case("idx-of-255-dimensions", pair(bytes([0, 0, 8, 255]) + b"\0\0\0\1" * 255 + b"x", LABELS), "255 dimensions"),
    Case("idx-of-no-dimension", pair(bytes([0, 0, 8, 0]), LABELS), "0 dimensions"),
    Case("idx-whose-labels-are-a-folder", labels_are_a_folder, "no labels file"),
]
IMAGES = [
    Case("image-cut", images(cat__x__png=small_png()[:45]), "damaged image"),
    Case("image-empty", images(cat__x__png=b""), "is empty"),
    Case("image-of-text", images(cat__x__png=b"<svg onload=alert(1)>"), "damaged image"),
    Case("image-that-is-a-script", images(cat__x__jpg=b"#!/bin/sh\ntouch /tmp/x\n"), "damaged image"),
    Case("image-bomb", images(cat__x__png=png(30_000, 30_000, bytes(1000))), "damaged image"),
    Case("image-bomb-below-the-warning", images(cat__x__png=png(9_000, 9_000, bytes(9001) * 9000)), " "),
    Case("image-with-no-side", images(cat__x__png=png(0, 4, b"")), "damaged image"),
    Case("image-of-another-size", images(cat__x__png=png(5, 4, (b"\0" + bytes(5)) * 4)), "differ in size"),
    Case("image-that-is-a-pipe", image_fifo, "no regular file"),
    Case("image-outside-by-a-link", linked_image),
    Case("class-outside-by-a-link", linked_images),
    Case("classes-named-to-deceive", odd_names),
    Case("image-and-zeros-without-end", sparse_image, "too large"),
    Case("postscript-as-an-image", images(cat__x__png=b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n"), "damaged"),
]
TEXT = [
    Case("text-empty", raw("t.txt", b""), "is empty"),
    Case("text-of-one-character", raw("t.txt", b"a" * 9000), " "),
    Case("text-too-short", raw("t.txt", b"ab"), "too short"),
    Case("text-with-a-nul", raw("t.txt", b"abc" * 900 + b"\0"), "byte 0x00"),
    Case("text-in-utf-16", raw("t.txt", ("abc" * 900).encode("utf-16")), "byte 0x00"),
    Case("text-not-utf-8", raw("t.txt", b"abc" * 900 + b"\xff"), "not in UTF-8"),
    Case("text-bomb", text_bomb, "expands"),
    Case("text-that-is-a-pipe", piped("t.txt"), "no regular file"),
]


SOURCES = [*CSV, *BINARY, *IMAGES, *TEXT]
SLOW = {"parquet-bomb", "many-columns", "npz-of-many-members", "gzip-of-many-members"}  # to build, or to read
BOMBS = [case for case in SOURCES if "bomb" in case.name or case.name == "parquet-of-one-long-word"]
