"""Data that cannot be learnt from: one clear message, the right status, and no run folder left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_answers import Ask, assert_refused, write, write_table
from cli_refused import train

# --- the data ---


def test_a_missing_file_is_told_with_every_place_that_was_tried(ask: Ask, place: Path) -> None:
    (place / "root").mkdir()
    (place / "recipes").mkdir()
    recipe = write(place / "recipes" / "recipe.toml", '[data]\nsource = "trees.csv"\n')
    answer = ask("train", recipe, "--data-root", place / "root")
    assert_refused(answer, 1, "the data 'trees.csv' cannot be found", place=place)
    for folder in (place / "recipes", place / "root", place):
        assert str(folder / "trees.csv") in answer.err
    assert "TRAINWRIGHT_DATA sets the root" in answer.err


@pytest.mark.parametrize(("source", "nearest"), [("digit", "digits"), ("brest_cancer", "breast_cancer")])
def test_a_misspelt_built_in_set_is_told_with_the_nearest(source: str, nearest: str, ask: Ask, place: Path) -> None:
    words = (f"the data '{source}' cannot be found", f"did you mean '{nearest}'?")
    assert_refused(train(ask, place, f'[data]\nsource = "{source}"\n'), 1, *words, place=place)
    assert_refused(ask("new", source, "-o", "new.toml"), 1, *words, place=place)
    assert not (place / "new.toml").exists()


GOOD = "".join(f"{row % 7}.5,{row % 5},{'ab'[row % 2]}\n" for row in range(40))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["is empty"]),
        ("\n \n\n", ["holds no rows"]),
        ("a,b,label\n", ["holds a header and no rows"]),
        ("a,b,label\n" + GOOD.replace(",b\n", ",a\n"), ["'label' is the same in every row", "choose another column"]),
        ("a,b,label\n" + "".join(f"{row},{row},\n" for row in range(30)), ["'label' has no value in any row"]),
        ("a,b,label\n" + GOOD + "inf,3,a\n", ["column 'a'", "not finite", "line 42"]),
        ("a,b,label\n" + GOOD + "1e39,3,a\n", ["column 'a'", "too large", "line 42"]),
        ("a,b,label\n" + GOOD + "1,3\n", ["ragged", "line 42 has 2 cells, where 3 are expected"]),
        ("a,b,label\n" + GOOD + '1,"3,a\n', ["line 42"]),
        ("a,a,label\n" + GOOD, ["two columns called 'a'"]),
        ("a,b,label\n1,2,x\n", ["label"]),
        ("label\n" + "a\nb\n" * 20, ["no column left to learn from"]),
        ("a,b,c\n" + GOOD, ["does not say which column is the target", "set data.target"]),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused_with_the_reason(
    content: str, words: list[str], ask: Ask, place: Path
) -> None:
    write(place / "trees.csv", content)
    assert_refused(train(ask, place, '[data]\nsource = "trees.csv"\n'), 1, *words, place=place)


def test_nan_in_a_table_counts_as_missing(ask: Ask, place: Path) -> None:
    write(place / "trees.csv", "a,b,label\n" + GOOD + "nan,3,a\n" * 3)
    answer = train(ask, place, '[data]\nsource = "trees.csv"\n[train]\nepochs = 1\n')
    assert answer.status == 0
    assert "note: column 'a': 3 missing values are filled with" in answer.out


def test_bytes_that_are_no_text_are_no_table(ask: Ask, place: Path) -> None:
    write(place / "trees.csv", b"a,b,label\n1,\x1b[31m,\x00\n")
    assert_refused(train(ask, place, '[data]\nsource = "trees.csv"\n'), 1, "is no text file", place=place)


def test_an_unknown_column_is_told_with_the_nearest(ask: Ask, place: Path) -> None:
    write_table(place / "trees.csv")
    wrong = {"data.target=knd": "did you mean 'kind'?", 'data.ignore=["widht"]': "did you mean 'width'?"}
    for change, remedy in wrong.items():
        answer = train(ask, place, '[data]\nsource = "trees.csv"\ntarget = "kind"\n', "--set", change)
        assert_refused(answer, 1, "has no column", remedy, place=place)
    answer = ask("new", "trees.csv", "--target", "knd", "-o", "new.toml")
    assert_refused(answer, 1, "has no column 'knd'", "did you mean 'kind'?", place=place)


def test_a_target_that_is_also_ignored_is_refused(ask: Ask, place: Path) -> None:
    write_table(place / "trees.csv")
    recipe = '[data]\nsource = "trees.csv"\ntarget = "kind"\nignore = ["kind"]\n'
    assert_refused(train(ask, place, recipe), 2, "the target 'kind' is also in data.ignore", place=place)


def test_damaged_images_are_refused(ask: Ask, place: Path) -> None:
    folder = place / "images"
    write(folder / "train-images-idx3-ubyte", bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 8]) + b"\x00" * 10)
    write(folder / "train-labels-idx1-ubyte", bytes([0, 0, 8, 1, 0, 0, 0, 9]) + b"\x00" * 9)
    assert_refused(train(ask, place, '[data]\nsource = "images"\n'), 1, "train-images-idx3-ubyte", place=place)
