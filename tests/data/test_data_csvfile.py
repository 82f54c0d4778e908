from __future__ import annotations

import contextlib
import gzip
import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data_files import write_csv

from trainwright.data import csvbytes
from trainwright.data.columns import cells_of
from trainwright.data.csvfile import RawTable, open_sheet, read_table
from trainwright.data.numbers import NumberForm, number_form, read_numbers
from trainwright.errors import DataError


def read(tmp_path: Path, text: str, encoding: str = "utf-8") -> RawTable:
    return read_table(write_csv(tmp_path / "t.csv", text, encoding))


def numbers(table: RawTable, name: str) -> list[float]:
    cells = cells_of(table, name)
    form = number_form(cells)
    assert form is not None
    return read_numbers(cells, form).tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t", ", ", " ,"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_newlines_and_byte_order_marks_are_recognised(
    tmp_path: Path, separator: str, newline: str, encoding: str
) -> None:
    rows = [["a", "b", "c"], ["1", "2", "grün"], ["4", "5", "rot"]]
    table = read(tmp_path, newline.join(separator.join(row) for row in rows) + newline, encoding)
    assert table.frame.columns == ["a", "b", "c"]
    assert table.frame.rows() == [("1", "2", "grün"), ("4", "5", "rot")]
    assert table.has_header
    assert table.notes == ()
    assert table.lines.tolist() == [2, 3]


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_table(path).frame.rows() == [("1", "2")]


def test_marks_for_missing_values_are_recognised(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n?,1\nNA,2\nNaN,3\nnull,4\n,5\n n/a ,6\nnone,7\n")
    assert table.frame["a"].to_list() == [None] * 6 + ["none"]


def test_what_is_taken_as_missing_although_something_is_written_is_said(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b,c\n?,1,\n ? ,NA,\nx,2,\ny,3,z\n")
    assert table.notes == ("t.csv: cells taken as missing: '?' in 'a' (2); 'NA' in 'b' (1)",)
    assert read(tmp_path, "a,b\n1,\n,2\n").notes == ()


def test_quotes_separators_and_newlines_within_cells_are_kept(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n"x, ""y""","1\n2"\n\n5" pipe,3\n')
    assert table.frame.rows() == [('x, "y"', "1\n2"), ('5" pipe', "3")]
    assert table.lines.tolist() == [2, 5]


def test_decimal_commas_are_read_beside_semicolons(tmp_path: Path) -> None:
    table = read(tmp_path, "a;b;c\n1,5;1.234,5;x\n-2,25;7;y\n3;1.000.000,0;z\n")
    assert numbers(table, "a") == [1.5, -2.25, 3.0]
    assert numbers(table, "b") == [1234.5, 7.0, 1e6]
    mixed = read(tmp_path, "a;b\n" + "1,5;x\n" * 3 + "1.5;x\n")
    assert number_form(cells_of(mixed, "a")) is None  # not fifteen


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("39,State-gov,<=50K\n50,Private,>50K\n", False),
        ("id,2019,2020\n17,3.5,4.5\n18,3.5,4.5\n", True),  # years as names, told by the word above the numbers
        ("p,x,s\ne,x,y\np,x,s\n", False),  # words alone, which recur further down
        ("kind,colour\nx,red\ny,green\n", True),
        ("?,1\n2,3\n", False),
        ("a,?\n1,?\n", True),
    ],
)
def test_a_header_is_told_from_data(tmp_path: Path, text: str, header: bool) -> None:
    table = read(tmp_path, text)
    assert table.has_header is header
    assert len(table.frame) == text.count("\n") - header
    if not header:
        assert table.frame.columns[0] == "column_1"
        assert "there is no header" in table.notes[0]


def test_leading_comments_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    table = read(tmp_path, "|1x3 Cross validator\n\n1,2\n   \n3,4\n")
    assert table.frame.rows() == [("1", "2"), ("3", "4")]
    assert table.lines.tolist() == [3, 5]
    assert "1 leading comment line was skipped" in table.notes[0]
    assert read(tmp_path, "#a,b\n1,2\n").frame.columns == ["#a", "b"]


def test_windows_text_is_decoded_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n1,x\n2,Köln\n", "cp1252")
    assert table.frame["b"].to_list() == ["x", "Köln"]
    assert "line 3 is not UTF-8" in table.notes[0]


def test_columns_without_a_name_get_one(tmp_path: Path) -> None:
    assert read(tmp_path, ",a,\n1,2,3\n").frame.columns == ["index", "a", "column_3"]


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    one = read(tmp_path, "a,b\n1,2\n").fingerprint
    (tmp_path / "u.csv").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_table(tmp_path / "u.csv").fingerprint == one
    assert read(tmp_path, "a,b\n1,3\n").fingerprint != one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "holds no rows"),
        (b"a,b\n", "a header and no rows"),
        (b"a,b\n1,2\n1,2,3\n1,2\n", "line 3 has 3 cells, where 2 are expected"),
        (b"a,b,c\n1,2,3\n1,2\n1,2,3\n", "line 3 has 2 cells, where 3"),
        (b"a,b\n" + b"1,2\n" * 60_000 + b"7\n", "line 60002 has 1 cell, where 2"),
        (b"a,b,a\n1,2,3\n", "two columns called 'a'(.|\n)*columns 1 and 3"),
        (b'a,b\n1,"2\n3,4\n', "line 2: unexpected end of data"),
        (b'a,b\n1,"2"x\n3,4\n', "line 2: (.|\n)*quote"),
        (b"PK\x03\x04" + bytes(range(256)), "looks like a zip archive or an Excel workbook"),
        (b"\x89PNG\r\n\x1a\n\0\0", "looks like a PNG"),
        ("a,b\n1,2\n".encode("utf-16"), "a text in UTF-16, not in UTF-8(.|\n)*iconv -f UTF-16"),
        (b"a,b\n1,\x81\x8d\n", "unknown encoding(.|\n)*line 2 holds the byte 0x81"),
        (gzip.compress(b"a,b\n1,2\n" * 50, mtime=0)[:-9], "damaged gzip"),
        (b"a,b\n" + b'"' + b"1,2\n" * 50_000, "line 2: field larger than"),
    ],
)
def test_what_is_no_table_is_refused_with_the_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert "bad.csv" in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("seed", range(30))
def test_noise_never_raises_anything_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alphabet = b'0123456789abc,;\t\n\r" .?\xff' if seed % 2 else bytes(range(256))
    path = tmp_path / "noise.csv"
    path.write_bytes(bytes(rng.choice(list(alphabet), 400).astype(np.uint8)))
    with contextlib.suppress(DataError):
        assert len(read_table(path).frame) > 0


def test_true_and_false_are_numbers_to_a_feature(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\nTrue,1\nfalse,2\nNA,3\n")
    assert number_form(cells_of(table, "a")) == NumberForm(boolean=True)
    assert numbers(table, "a")[:2] == [1.0, 0.0]


def test_one_word_among_many_numbers_means_missing(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n" + "".join(f"{row}.5,x\n" for row in range(40)) + "unknown,x\n" * 2)
    assert number_form(cells_of(table, "a")) == NumberForm(missing_word="unknown")
    assert np.isnan(numbers(table, "a")[-2:]).all()


def test_a_mistyped_number_is_named_with_its_line(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n" + "".join(f"{row}.5,x\n" for row in range(40)) + "4O.5,x\n1.5,x\n")
    with pytest.raises(DataError, match=r"line 42 of (.|\n)*'4O\.5'; 1 of 42 cells(.|\n)*data\.ignore"):
        number_form(cells_of(table, "a"))


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e400", "1e39"])
def test_a_value_that_is_not_finite_is_named_with_its_line(tmp_path: Path, value: str) -> None:
    table = read(tmp_path, f"a,b\n1,x\n\n{value},x\n2,x\n")
    with pytest.raises(DataError, match=f"not finite(.|\n)*line 4, column 'a': '{value}'"):
        numbers(table, "a")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_file_is_looked_at_in_pieces_as_it_is_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, encoding: str
) -> None:
    path = write_csv(tmp_path / "t.csv", "name,größe\n€ä,1\nb,2\ncé,3\n", encoding)
    whole, table = csvbytes.scan(path), read_table(path)
    monkeypatch.setattr(csvbytes, "_CHUNK", size)
    assert csvbytes.scan(path) == whole
    assert whole.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert table.frame["größe"].to_list() == ["1", "2", "3"]
    assert bool(whole.notes) == (encoding == "cp1252")
    pieces = [piece.frame for piece in open_sheet(path).pieces(2)]
    assert [len(piece) for piece in pieces] == [2, 1]
    assert pl.concat(pieces).equals(table.frame)


def test_a_file_that_ends_within_a_character_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,é".encode()[:-1])
    assert csvbytes.scan(path).encoding == "cp1252"


def test_the_names_that_are_known_make_a_line_the_header(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", "x,1\ny,2\nx,1\n")
    assert not open_sheet(path).has_header
    assert open_sheet(path, known=["1"]).has_header
    assert not open_sheet(path, known=["2"]).has_header
