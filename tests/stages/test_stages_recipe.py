from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from trainwright.errors import DataError, RecipeError, TrainwrightError, UsageError
from trainwright.parts import augment, schedules
from trainwright.parts.catalogue import option_problem
from trainwright.records import Location, Option
from trainwright.runs import loggers
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import CATALOGUES, SECTIONS, known_keys
from trainwright.stages.toml_lines import key_lines

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

KEYS = sorted({key for section in SECTIONS for key in known_keys(section)})

texts = st.text(st.characters(exclude_categories=["Cs"]))


# --- valid recipes, as many as there may be ---


def values_of(option: Option) -> st.SearchStrategy[Any]:
    """Return everything that an option may be set to."""
    words = st.sampled_from(option.choices) if option.choices else st.nothing()
    if isinstance(option.default, bool):
        return st.booleans()
    if isinstance(option.default, str):
        return words
    if isinstance(option.default, tuple):
        return st.lists(numbers_of(option), max_size=4) | words
    return numbers_of(option) | words


def numbers_of(option: Option) -> st.SearchStrategy[float]:
    least, most = max(option.minimum, -1e9), min(option.maximum, 1e9)
    if isinstance(option.default, int):
        return st.integers(math.ceil(least), int(most))
    found = st.floats(least, most) | st.integers(math.ceil(least), math.floor(most))
    return found.filter(lambda value: option_problem("x", value, option) is None)


@st.composite
def parts(draw: st.DrawFn, section: str) -> dict[str, Any]:
    room = CATALOGUES[section]
    name = draw(st.sampled_from(sorted(room.catalogue)))
    options = {key: values_of(option) | st.just("auto") for key, option in room.options(name).items()}
    if section == "optimizer":
        options["rates"] = st.dictionaries(texts, st.floats(0, 100), max_size=3)
    drawn = draw(st.fixed_dictionaries({}, optional=options))
    if section == "schedule":
        assume(schedules.problem(name, {key: value for key, value in drawn.items() if value != "auto"}) is None)
    return {"name": name, **drawn}


counts = st.integers(0, 10**30)
shares = st.floats(0, 1, exclude_max=True) | st.just(0)
recipes = st.fixed_dictionaries(
    {},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "source": texts,
                "target": texts | st.lists(texts, max_size=3),
                "task": st.sampled_from(["auto", "classification", "multi-label", "regression"]),
                "normalise": st.sampled_from(["standard", "none"]),
                "validation": shares,
                "test": shares,
                "test_source": texts,
                "split_seed": st.integers(-1, 10**6),
                "ignore": st.lists(texts, max_size=4),
                "context": st.integers(1, 10**6),
                "image_size": st.integers(0, 10**6),
            },
        ),
        "augment": st.fixed_dictionaries(
            {}, optional={name: values_of(spec.strength) | st.just("auto") for name, spec in augment.CATALOGUE.items()}
        ),
        **{section: parts(section) for section in CATALOGUES},
        "train": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 10**9) | st.just("auto"),
                "steps": counts,
                "batch_size": st.integers(1, 10**9) | st.just("auto"),
                "accumulate": st.integers(1, 10**30),
                "seed": counts,
                "precision": st.sampled_from(["fp32", "bf16", "fp16"]),
                "clip_norm": st.floats(0, allow_nan=False),
                "clip_value": st.floats(0, allow_nan=False),
                "ema": shares,
                "sampler": st.sampled_from(["shuffled", "balanced"]),
                "compile": st.booleans(),
                "checkpoint_activations": st.booleans(),
                "loggers": st.lists(st.sampled_from(sorted(loggers.CATALOGUE)), max_size=2),
                "patience": counts,
                "evaluate_every_steps": counts,
                "device": texts,
                "threads": st.integers(1, 1024) | st.just("auto"),
            },
        ),
        "doctor": st.fixed_dictionaries({}, optional={"level": st.sampled_from(["off", "light", "full"])}),
    },
)


@calmly
@given(plain=recipes)
@example(plain={"data": {"source": '"""\n[train]\r\n\x00\x7f\x85\u2028\U0001f600\\u0041#', "ignore": ["'''", "]"]}})
def test_every_valid_recipe_survives_writing_and_reading(plain: dict[str, Any]) -> None:
    recipe = Recipe.of(plain)
    assert Recipe.of(tomllib.loads(recipe.to_toml())).plain() == recipe.plain()
    short = Recipe.of(tomllib.loads(recipe.to_toml(given=True)))
    assert short.plain() == recipe.plain()
    assert short.model_dump(exclude_unset=True) == recipe.model_dump(exclude_unset=True)
    assert Recipe.of(recipe) == recipe


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


def test_a_recipe_that_searches_is_written_with_its_space() -> None:
    space = {"optimizer.lr": {"log_uniform": [1e-5, 1e-1]}}
    text = Recipe.of({"tune": {"space": space, "trials": 9}}).to_toml()
    assert Recipe.of(tomllib.loads(text)).tune.space == space
    assert "[tune]" not in Recipe.of({"tune": {"trials": 9}}).to_toml()


def test_a_recipe_that_finishes_is_written_with_what_it_asks_for() -> None:
    asked = {"members": 5, "average": ["ema", "swa"], "distil": True}
    recipe = Recipe.of({"finish": asked})
    assert recipe.finish.methods == ("seeds", "ema", "swa", "distil")
    assert Recipe.of(tomllib.loads(recipe.to_toml())).finish == recipe.finish
    assert "[finish]" not in Recipe.of({"finish": {"combine": "logits"}}).to_toml()
    assert Recipe.of({"finish": {"calibrate": "on"}}).finish.asks
    with pytest.raises(RecipeError, match="did you mean 'members'"):
        Recipe.of({"finish": {"membres": 3}})


@calmly
@given(plain=recipes, source=texts)
def test_a_kept_file_gives_the_same_recipe(
    plain: dict[str, Any], source: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    recipe = Recipe.of(plain, **{"data.source": source})
    path = tmp_path_factory.getbasetemp() / "kept.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    again = Recipe.read(path)
    assert again.plain() == recipe.plain()
    assert again.path == str(path)
    where = again.settings()["data.source"].where
    assert where is not None
    assert path.read_text(encoding="utf-8").split("\n")[(where.line or 0) - 1].startswith("source = ")


# --- whatever else may be given ---

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
    st.sampled_from(["auto", "adamw", "sgd", "mlp", "cosine", "mse", "digits", "light"]),
    st.builds(np.array, st.lists(st.floats(), max_size=3)),
    st.builds(np.float32, st.floats(width=32)),
    st.builds(torch.tensor, st.lists(st.floats(), max_size=3)),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.one_of(st.sampled_from(KEYS), st.text(), st.integers(), st.none(), st.just("literal['auto']"))
anything = st.dictionaries(
    st.one_of(st.sampled_from([*SECTIONS, "path", "lines", "tune"]), st.text(), st.integers(), st.none()),
    st.dictionaries(keys, values, max_size=4) | values,
    max_size=4,
)
changes = st.dictionaries(
    st.one_of(st.sampled_from(["optimizer.lr", "path.x", "train.epochs", "data.", "."]), st.text()), values, max_size=2
)


def attempt(make: Callable[[], Recipe]) -> Recipe | TrainwrightError:
    try:
        return make()
    except TrainwrightError as refused:
        return refused


@settings(calmly, max_examples=300)
@given(plain=anything, changed=changes)
def test_a_recipe_of_anything_is_a_recipe_or_a_clear_refusal(plain: dict[Any, Any], changed: dict[str, Any]) -> None:
    answer = attempt(lambda: Recipe.of(plain, **changed))
    if isinstance(answer, RecipeError):
        assert answer.problems
        assert str(answer).startswith("the recipe has ")
        assert all(answer.problems)
    elif isinstance(answer, UsageError):
        assert "is not the name of a setting" in answer.what
    else:
        assert isinstance(answer, Recipe)
        assert Recipe.of(tomllib.loads(answer.to_toml())).plain() == answer.plain()


@settings(calmly, max_examples=300)
@given(content=st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
@example(content=b"[train]\n\"literal['auto']\" = 1")
@example(content=b"[data]\r\nsource = 'a\rb'")
@example(content=b"a." * 2000 + b"b = 1")
def test_reading_any_bytes_is_a_recipe_or_a_clear_refusal(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    answer = attempt(lambda: Recipe.read(path))
    assert isinstance(answer, Recipe | RecipeError | DataError)
    assert isinstance(answer, Recipe) or str(path) in str(answer)


@pytest.mark.parametrize("recipe", [3, ["data"], "a\0b", Path("no/such.toml")])
def test_what_can_be_no_recipe_is_refused(recipe: Any) -> None:
    with pytest.raises((UsageError, DataError), match=r"recipe must be|cannot be read"):
        Recipe.of(recipe)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    given = {"optimizer.lr": np.float64(0.1), "train.epochs": np.int64(3), "model.dropout": torch.tensor(0.5)}
    recipe = Recipe.of(None, **given)
    assert recipe.optimizer.options == {"lr": 0.1}
    assert type(recipe.optimizer.options["lr"]) is float
    assert (type(recipe.train.epochs), recipe.train.epochs) == (int, 3)
    assert "lr = 0.1\n" in recipe.to_toml()
    with pytest.raises(RecipeError, match=r"optimizer.lr must be a number, not \[1.0, 2.0\]"):
        Recipe.of({"optimizer": {"lr": np.array([1.0, 2.0])}})


def test_one_mistake_is_one_problem() -> None:
    for wrong in (1.5, "ten", True, None, [], datetime.date(2020, 1, 1)):
        with pytest.raises(RecipeError) as refused:
            Recipe.of({"train": {"epochs": wrong, "threads": wrong}})
        assert [problem.split()[0] for problem in refused.value.problems] == ["train.epochs", "train.threads"]
    with pytest.raises(RecipeError) as refused:
        Recipe.of({"data": {"ignore": [1, 2, 3]}})
    assert refused.value.problems == ("data.ignore must be text in quotes, not 1",)


def test_options_that_only_another_entry_takes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        RecipeError, match="optimizer 'sgd' has no key 'momentum'; known: name, rates, lr, weight_decay, layer_decay"
    ):
        Recipe.of({"optimizer": {"name": "sgd", "momentum": 0.9}})
    with pytest.raises(RecipeError, match=r"schedule 'step' has no key 'evry'; did you mean 'every'\?"):
        Recipe.of({"schedule": {"name": "step", "evry": 0.3}})


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


def test_a_change_keeps_what_was_asked_for_and_what_was_not() -> None:
    recipe = Recipe.of(None, **{"data.source": "iris", "optimizer.lr": 0.1})
    changed = recipe.changed({"optimizer.lr": 0.2, "train.epochs": 3})
    assert changed.model_dump(exclude_unset=True) == {
        "data": {"source": "iris"},
        "optimizer": {"lr": 0.2},
        "train": {"epochs": 3},
    }
    assert recipe.optimizer.options == {"lr": 0.1}
    with pytest.raises(UsageError, match="'lr' is not the name of a setting"):
        recipe.changed({"lr": 0.1})
    with pytest.raises(RecipeError, match=r"optimizer.lr must be above 0, not -1"):
        recipe.changed({"optimizer.lr": -1})


def test_comments_stand_beside_their_values() -> None:
    text = Recipe.of(None, **{"optimizer.lr": 0.1}).to_toml(given=True, comments={"optimizer.lr": "fast"})
    assert text == "[optimizer]\nlr = 0.1  # fast\n"
