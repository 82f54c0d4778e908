from __future__ import annotations

import struct
import tomllib
from pathlib import Path

import numpy as np
import pytest
from cli_answers import Ask, assert_plain, strict_json, write, write_table
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.embedded import EMBEDDED
from trainwright.data.inspect import DataSummary
from trainwright.records import DataShape
from trainwright.stages.choose import Facts, choose
from trainwright.stages.new import propose
from trainwright.stages.recipe import Recipe

HOSTILE = {
    "quotes": 'a "double" and \'single\' and """three""" name',
    "newline": "first\nsecond\r\nthird\u2028fourth\x85fifth",
    "toml": '"]\n[optimizer]\nlr = 99 # = {x = 1}',
    "backslash": "C:\\new\\table\\u0041",
    "comment": "# not a comment",
    "unicode": "größe 身長 😀 e\u0301",
    "bidi": "\u202etfel ot thgir\u2066",
    "control": "\u009b31mred\u0090",
    "markup": "<script>alert(1)</script>[bold]:smile:",
    "keyword": "auto",
    "number": "2020-01-01",
    "blank": "   ",
}


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_images(folder: Path) -> None:
    chance = np.random.default_rng(0)
    labels = np.arange(90, dtype=np.uint8) % 3
    images = chance.integers(0, 40, (90, 8, 8), dtype=np.uint8) + labels[:, None, None] * np.uint8(90)
    write(folder / "train-images-idx3-ubyte", idx(images))
    write(folder / "train-labels-idx1-ubyte", idx(labels))


def proposed(ask: Ask, *arguments: object) -> tuple[Recipe, dict[str, object]]:
    """Write a recipe, check what is said of it, and that it trains at once."""
    answer = ask("new", *arguments, "-o", "new.toml", "--json", "-")
    assert answer.status == 0, answer.err
    assert_plain(answer.err)
    assert "wrote new.toml; train it with: trainwright train new.toml" in answer.err
    document = answer.document
    assert (document["schema"], document["findings"], document["recipe"]) == (1, [], "new.toml")
    recipe = Recipe.read("new.toml")
    assert recipe.plain() == Recipe.of(tomllib.loads(Path("new.toml").read_text(encoding="utf-8"))).plain()
    # As written: what is proposed is what is trained.
    short = write(Path("short.toml"), Path("new.toml").read_bytes().replace(b'epochs = "auto"', b"epochs = 1"))
    trained = ask("train", short, "--folder", "run")
    assert trained.status == 0, trained.err
    assert_plain(trained.out)
    return recipe, document["data"]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_recipe_of_a_built_in_set_trains_at_once(name: str, ask: Ask, place: Path) -> None:
    recipe, data = proposed(ask, name)
    spec = EMBEDDED[name]
    assert (recipe.data.source, recipe.data.target, recipe.data.task) == (name, "", spec.task)
    assert data["rows"] == spec.rows
    assert recipe.model.name == ("cnn" if len(spec.input_shape) == 3 else "table")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_the_recipe_of_a_table_with_odd_names_trains_at_once(name: str, ask: Ask, place: Path) -> None:
    target = f"kind {name}"
    write_table(place / "trees.csv", features=(name, "height"), target=target, classes=(f"x{name}", f"y{name}"))
    recipe, data = proposed(ask, "trees.csv", "--target", " ".join(target.split()))
    assert recipe.data.source == "trees.csv"
    assert recipe.data.target == " ".join(target.split())
    assert recipe.optimizer.options["lr"] != 99
    assert data["target_reason"] == "it was asked for"
    page = ask("report", "run")
    assert page.status == 0
    assert "<script" not in (place / "run" / "report.html").read_text(encoding="utf-8")


def test_a_target_is_guessed_and_the_reason_is_told(ask: Ask, place: Path) -> None:
    write_table(place / "trees.csv", target="Species")
    recipe, data = proposed(ask, "trees.csv")
    assert recipe.data.target == "Species"
    assert "a column is called 'Species'" in str(data["target_reason"])
    assert recipe.loss.name == "bce_with_logits"
    text = (place / "new.toml").read_text(encoding="utf-8")
    assert "# Classes: ash (30), oak (30)." in text
    assert "a column is called 'Species'" in text


def test_the_recipe_of_a_regression_table_trains_at_once(ask: Ask, place: Path) -> None:
    rows = "".join(f"{row},{row * 1.5 + row % 3},{'xy'[row % 2]}\n" for row in range(50))
    write(place / "houses.csv", "rooms,price,side\n" + rows)
    recipe, data = proposed(ask, "houses.csv")
    assert (recipe.data.task, recipe.data.target, recipe.loss.name) == ("regression", "price", "mse")
    assert data["classes"] == []


@pytest.mark.parametrize("rows", [12, 30, 91])
def test_the_recipe_of_a_small_table_trains_at_once(rows: int, ask: Ask, place: Path) -> None:
    write_table(place / "trees.csv", rows=rows)
    proposed(ask, "trees.csv")


def test_the_recipe_of_images_trains_at_once(ask: Ask, place: Path) -> None:
    write_images(place / "images")
    recipe, data = proposed(ask, "images")
    assert (recipe.model.name, recipe.data.task, data["input_shape"]) == ("cnn", "classification", [1, 8, 8])
    assert data["classes"] == [["0", 30], ["1", 30], ["2", 30]]
    assert ask("new", "images/train-images-idx3-ubyte", "-o", "one.toml").status == 0


def test_data_beside_the_recipe_are_found_from_anywhere(ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(place / "project" / "data" / "trees.csv")
    (place / "project" / "recipes").mkdir()
    assert ask("new", "project/data/trees.csv", "-o", "project/recipes/trees.toml").status == 0
    monkeypatch.chdir(place / "project" / "data")
    trained = ask("train", "../recipes/trees.toml", "--set", "train.epochs=1", "--folder", place / "run")
    assert trained.status == 0, trained.err


def test_data_below_the_root_are_found_with_the_root(ask: Ask, place: Path) -> None:
    write_table(place / "root" / "trees.csv")
    assert ask("new", "trees.csv", "--data-root", "root").status == 0
    trained = ask("train", "recipe.toml", "--data-root", "root", "--set", "train.epochs=1")
    assert trained.status == 0, trained.err


def test_what_was_seen_is_told_in_words(ask: Ask, place: Path) -> None:
    write_table(place / "trees.csv", classes=[f"c{number:02d}" for number in range(15)], rows=90)
    answer = ask("new", "trees.csv", "--target", "kind", "--json", "answer.json")
    assert answer.status == 0
    assert "90 rows, samples of shape 2" in answer.out
    assert "target: column 'kind' (it was asked for)" in answer.out
    assert "classification into 15 classes" in answer.out
    assert "and 3 more" in answer.out
    assert strict_json((place / "answer.json").read_text(encoding="utf-8"))["data"]["rows"] == 90


@settings(deadline=None)
@given(
    name=st.text(min_size=1),
    source=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1),
    classes=st.lists(st.tuples(st.text(), st.integers(0, 10**6)), min_size=2, max_size=15),
    reason=st.text(),
)
def test_no_name_can_break_out_of_its_string_or_comment(
    name: str, source: str, classes: list[tuple[str, int]], reason: str
) -> None:
    target = name.encode("utf-8", "replace").decode("utf-8")
    summary = DataSummary(
        source=source,
        rows=100,
        columns=(),
        task="classification",
        target=target,
        target_reason=reason,
        classes=tuple(classes),
        input_shape=(3,),
        warnings=(reason,),
    )
    shape = DataShape(input_shape=(3,), outputs=max(2, len(classes)), task="classification")
    text = propose(summary, choose(Facts(task="classification", shape=shape, samples=100), {}), source)
    plain = tomllib.loads(text)
    assert plain["data"]["source"] == source
    assert plain["data"]["target"] == target
    assert list(plain) == ["data", "model", "loss", "optimizer", "schedule", "augment", "train", "doctor"]
    assert plain["optimizer"]["lr"] == Recipe.of(plain).optimizer.options["lr"]
    assert_plain(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,y\n1,yes\n2,no\n", "too few rows"),
        ("y\n" + "yes\nno\n" * 30, "no column"),
    ],
    ids=["two rows", "a target alone"],
)
def test_data_that_cannot_be_trained_on_get_no_recipe(ask: Ask, place: Path, text: str, reason: str) -> None:
    write(place / "data.csv", text)
    answer = ask("new", "data.csv")
    assert answer.status == 1
    assert reason in answer.err
    assert not (place / "recipe.toml").exists()


def test_two_targets_are_named_one_by_one(ask: Ask, place: Path) -> None:
    rows = "\n".join(f"{n % 7},{n % 5},{n % 7 + 0.5},{n % 5 - 0.25}" for n in range(60))
    write(place / "two.csv", f"a,b,left,right\n{rows}\n")
    answer = ask("new", "two.csv", "--target", "left", "--target", "right")
    assert "target: columns 'left', 'right'" in answer.out


def test_a_network_that_cannot_take_the_data_is_not_recommended(ask: Ask, place: Path) -> None:
    answer = ask("choose", "iris", "--model", "resnet")
    assert answer.status == 2
    assert "--model mlp" in answer.err
