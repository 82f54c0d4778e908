from __future__ import annotations

import datetime
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stages_recipes import KEYS, calmly, recipes, texts

from trainwright.errors import DataError, RecipeError, TrainwrightError, UsageError
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import SECTIONS


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
