"""Every key of a recipe is found on its line, however it is written."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages_recipes import calmly, recipes, texts

from trainwright.errors import RecipeError
from trainwright.records import Location
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import SECTIONS
from trainwright.stages.toml_lines import key_lines


@calmly
@given(plain=recipes)
def test_every_key_of_a_written_recipe_is_found_on_its_line(plain: dict[str, Any]) -> None:
    text = Recipe.of(plain).to_toml(comments={"data.source": '[x] = """'})
    rows = text.split("\n")
    lines = {name: line for name, line in key_lines(text).items() if not name.startswith("optimizer.rates.")}
    for name, line in lines.items():
        section, _, key = name.partition(".")
        assert rows[line - 1].startswith(f"{key} = " if key else f"[{section}]")
    # What is to be searched is no part of a recipe that searches nothing, nor what is finished or divided of others.
    own = ("tune.", "finish.", "distributed.")
    settings = {name for name in Recipe.of(plain).settings() if not name.startswith(own)}
    assert {name for name in lines if "." in name} == settings


# --- lines, and what goes over them ---

ODD = '''\
# [train] epochs = 1
title.x = 1
"quoted".'literal' = """
[nope]
seed = 1 \\""" still """""
[ data ]  # source = 1
source = \'"""\'
"tar\\u0067et" = "a = ["  # ["""
ignore = [ # [x]
  "]", \'\'\'
  target = 2
\'\'\', "x=1", [["#"], []],
]
normalise="none"
[ 'optimizer' ]
lr = 0.1 # it's
\t"weight_decay"\t=\t0.2
[schedule]
[train]
seed = 1979-05-27T07:32:00Z
inline = { a = 1, "b" = [ {q=1}, 2 ], c = {d=1}, "]" = "}" } # }
clip_norm = +1.0e-3
\'\'\'\'\'\' = 1
[[array]]
k = 1
'''.replace("''''''", "''")


def test_every_key_has_its_line_however_it_is_written() -> None:
    tomllib.loads(ODD)
    assert key_lines(ODD) == {
        "title": 2,
        "title.x": 2,
        "quoted": 3,
        "quoted.literal": 3,
        "data": 6,
        "data.source": 7,
        "data.target": 8,
        "data.ignore": 9,
        "data.normalise": 14,
        "optimizer": 15,
        "optimizer.lr": 16,
        "optimizer.weight_decay": 17,
        "schedule": 18,
        "train": 19,
        "train.seed": 20,
        "train.inline": 21,
        "train.inline.a": 21,
        "train.inline.b": 21,
        "train.inline.b.q": 21,
        "train.inline.c": 21,
        "train.inline.c.d": 21,
        "train.inline.]": 21,
        "train.clip_norm": 22,
        "train.": 23,
        "array": 24,
        "array.k": 25,
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("optimizer.lr = 1", 1),
        ("optimizer = { lr = 1 }", 1),
        ("\n\noptimizer = { name = 'sgd', weight_decay = 0, lr = 1 }", 3),
        ("[optimizer]\nlr = 1", 2),
        ("[ optimizer ] # x\n\n  'lr' = 1", 3),
        ("data.source = '''\n\n'''\n\"optimizer\" . \"lr\" = 1", 4),
        ("data.ignore = [\n'a', # ]\n'[',\n]\noptimizer.lr = 1", 5),
        ("data.source = 'a' # \u2028\x85 no ends of lines \f".replace("\f", "") + "\noptimizer.lr = 1", 2),
        ('data.source = """a"b""c\\"""d"""\noptimizer.lr = 1', 2),
        ('data.source = \'"""\'\noptimizer.lr = 1', 2),
        ("data.source = \"'''\"\n\n[optimizer]\nlr = 1", 4),
        ("# '''\noptimizer.lr = 1", 2),
        ('data = { source = "{", ignore = ["}", "]"] }\noptimizer.lr = 1', 2),
    ],
)
def test_a_setting_points_to_its_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    recipe = Recipe.read(path)
    where = Location(file=str(path), line=line)
    assert recipe.settings()["optimizer.lr"].where == where
    assert recipe.resolved({"optimizer.weight_decay": 0.5}).settings()["optimizer.lr"].where == where
    assert recipe.changed({"train.epochs": 3}).settings()["optimizer.lr"].where == where
    assert recipe.changed({"optimizer.lr": 0.2}).settings()["optimizer.lr"].where is None
    assert Recipe.read(path, {"optimizer.lr": 0.2}).settings()["optimizer.lr"].where is None
    path.write_text(text.replace("lr", "lrr"), encoding="utf-8")
    with pytest.raises(RecipeError) as refused:
        Recipe.read(path)
    assert refused.value.problems[0].startswith(
        (f"recipe.toml:{line}: [optimizer] ", f"recipe.toml:{line}: optimizer ")
    )


def test_what_was_asked_for_outside_the_file_is_no_default(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[data]\nsource = 'iris'\n")
    for recipe in (
        Recipe.read(path, {"optimizer.lr": 0.2}),
        Recipe.of({"data": {"source": "iris"}}, **{"optimizer.lr": 0.2}),
    ):
        settings = recipe.resolved({"optimizer.weight_decay": 0.5}).settings()
        assert settings["optimizer.lr"].given
        assert not settings["optimizer.weight_decay"].given
        assert not settings["train.epochs"].given
    assert Recipe.read(path).settings()["data.source"].given


@calmly
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(SECTIONS)),
            texts.filter(lambda text: text == " ".join(text.split())),
            st.sampled_from(["plain", "literal", "multi", "array"]),
        ),
        max_size=5,
        unique_by=lambda entry: entry[0],
    )
)
def test_no_string_array_or_comment_hides_a_line(entries: list[tuple[str, str, str]]) -> None:
    rows: list[str] = []
    expected: dict[str, int] = {}
    for section, text, form in entries:
        inner = Recipe.of(None, **{"data.source": text}).to_toml(given=True).split(" = ", 1)[1].rstrip("\n")[1:-1]
        rows.append(f"[{section}] # {''.join(filter(str.isprintable, text))}")
        expected[section] = len(rows)
        written = {
            "plain": f'"{inner}"',
            "literal": "'" + "".join(filter(str.isprintable, text)).replace("'", "") + "'",
            "multi": f'"""\n{inner}\n[x]\ny = 1\n"""',
            "array": f'[ # ]\n"{inner}", [\n"]"],\n]',
        }[form]
        expected[f"{section}.key"] = len(rows) + 1
        rows += f"key = {written} # '''".split("\n")
    document = "\n".join(rows)
    tomllib.loads(document)
    assert key_lines(document) == expected
