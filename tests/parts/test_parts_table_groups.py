"""The widths of the columns' blocks, from the file to the network that reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.dataset import Dataset
from trainwright.data.encode import MOST_CATEGORIES, ColumnPlan
from trainwright.data.load import load
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.networks.table import SPEC
from trainwright.parts.networks.table_columns import layout


def load_text(folder: Path, text: str, target: str = "y") -> Dataset:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return load(str(path), target=target)


def blocks(data: Dataset) -> dict[str, int]:
    """The first feature of each block, and its width."""
    starts = [sum(data.shape.groups[:place]) for place in range(len(data.shape.groups))]
    return {data.features[start]: width for start, width in zip(starts, data.shape.groups, strict=True)}


def test_numbers_flags_and_categories_are_blocks_and_constants_are_none(tmp_path: Path) -> None:
    words, gaps = ("red", "green", "blue"), ("yes", "no", "")
    lines = ["size,holey,same,colour,answer,one_word,y"]
    for row in range(120):
        holey = "" if row % 7 == 0 else str(row * 0.5)
        lines.append(f"{row % 31}.25,{holey},5,{words[row % 3]},{gaps[row % 3]},{'x' if row % 2 else ''},{row % 2}")
    data = load_text(tmp_path, "\n".join(lines) + "\n")
    assert blocks(data) == {
        "size": 1,
        "holey": 1,
        "holey is missing": 1,
        "colour = blue": 3,
        "answer = no": 3,  # no, yes and missing
        "one_word = x": 2,  # x and missing
    }
    assert sum(data.shape.groups) == len(data.features) == data.shape.input_shape[0]


def test_a_number_that_is_constant_but_for_its_gaps_is_one_flag(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{row % 31},{'' if row % 4 == 0 else 7},{row % 2}\n" for row in range(100))
    assert blocks(load_text(tmp_path, text)) == {"a": 1, "b is missing": 1}


def test_rare_categories_share_an_input_of_the_same_block(tmp_path: Path) -> None:
    # Names like w7, 60 of them, most of them often enough to be in training.
    text = "name,y\n" + "".join(f"w{row % 60},{row % 2}\n" for row in range(1200))
    data = load_text(tmp_path, text)
    assert data.shape.groups == (MOST_CATEGORIES + 1,)


def test_embedded_tables_are_all_numbers() -> None:
    assert load("wine").shape.groups == (1,) * 13


def test_images_have_no_groups() -> None:
    assert load("digits").shape.groups == ()


@given(
    kind=st.sampled_from(["number", "category"]),
    words=st.lists(st.text("abc", min_size=1), min_size=1, max_size=5, unique=True),
    varies=st.booleans(),
    other=st.booleans(),
    missing=st.booleans(),
)
@settings(max_examples=60)
def test_the_widths_of_a_column_add_up_to_its_features(
    kind: str, words: list[str], varies: bool, other: bool, missing: bool
) -> None:
    categories = tuple(sorted(words)) if kind == "category" else ()
    plan = ColumnPlan(
        name="a",
        kind="category" if kind == "category" else "number",
        varies=varies,
        categories=categories,
        other=other and kind == "category",
        missing=missing,
    )
    assert sum(plan.groups) == len(plan.features)
    assert len(plan.groups) == (1 if kind == "category" else len(plan.features))


def test_the_network_reads_each_category_of_a_file_as_one(tmp_path: Path) -> None:
    words = ("red", "green", "blue")
    text = "a,colour,b,y\n" + "".join(
        f"{row % 31},{words[row % 3]},{'' if row % 5 == 0 else row % 17},{row % 2}\n" for row in range(120)
    )
    data = load_text(tmp_path, text)
    found = layout(data.shape)
    for block in found.categories:
        assert (data.train.x[:, block].sum(1) == 1).all()
        assert {feature.split(" = ")[0] for feature in data.features[block]} == {"colour"}
    assert [data.features[place] for place in found.numbers] == ["a", "b", "b is missing"]
    model = SPEC.factory(data.shape, **resolve_options(SPEC.options, {}, "model 'table'"))
    assert torch.isfinite(model(data.train.x)).all()
