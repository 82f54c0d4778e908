"""The command `find-lr`: the rate with its plot, as JSON, and without a traceback where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_answers import Ask, strict_json, write

RECIPE = '[data]\nsource = "iris"\n\n[model]\nname = "mlp"\n\n[train]\nepochs = 10\nthreads = 1\n'

FACTORY = """\
import torch
from torch import nn

def sound():
    torch.manual_seed(0)
    y = torch.arange(150) % 3
    x = torch.randn(150, 4) + 2 * nn.functional.one_hot(y, 4)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, "cross_entropy", (x, y), torch.optim.SGD(model.parameters(), lr=0.1)

def flat():
    model = nn.Linear(4, 3)
    return model, lambda output, target: output.mean() * 0 + 1, (torch.randn(60, 4), torch.arange(60) % 3)

def raising():
    raise ValueError("no weights today")
"""

SHORT = ("--trial-steps", "15", "--repeats", "1")


@pytest.fixture
def recipe(place: Path) -> str:
    write(place / "recipe.toml", RECIPE)
    return "recipe.toml"


@pytest.fixture
def factory(place: Path) -> str:
    write(place / "own_setup_to_find.py", FACTORY)
    return "own_setup_to_find"


def test_a_recipe_gets_a_rate_with_its_interval_and_a_plot(recipe: str, ask: Ask) -> None:
    answer = ask("find-lr", recipe, *SHORT)
    assert answer.status == 0, answer.err
    assert answer.out.startswith("learning rate ")
    assert "interval:" in answer.out
    assert "▴" in answer.out
    assert "1e-7" in answer.out
    assert "▴" not in ask("find-lr", recipe, *SHORT, "--no-plot").out


def test_json_holds_the_curve(recipe: str, ask: Ask) -> None:
    answer = ask("find-lr", recipe, *SHORT, "--json", "-")
    assert answer.status == 0
    document = answer.document
    assert document["schema"] == 1
    assert document["findings"] == []
    assert document["interval"][0] <= document["suggestion"] <= document["interval"][1]
    assert document["method"] == "array"
    assert len(document["curve"]) >= 19


def test_a_factory_is_tried_with_its_own_optimizer(factory: str, ask: Ask) -> None:
    document = ask("find-lr", f"{factory}:sound", *SHORT, "--json", "-").document
    assert document["optimizer"] == "SGD"
    assert document["suggestion"] is not None


def test_the_sweep_can_be_asked_for(factory: str, ask: Ask, place: Path) -> None:
    answer = ask("find-lr", f"{factory}:sound", "--method", "sweep", "--repeats", "1", "--json", "rate.json")
    assert answer.status == 0, answer.out
    assert strict_json((place / "rate.json").read_text(encoding="utf-8"))["method"] == "sweep"


def test_no_answer_is_exit_status_1_with_the_reason(factory: str, ask: Ask) -> None:
    answer = ask("find-lr", f"{factory}:flat", *SHORT, "--json", "-")
    assert answer.status == 1
    assert answer.document["suggestion"] is None
    assert "flat" in answer.document["reason"]
    assert "no answer: the loss is flat" in answer.err


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["recipe.toml", "--method", "aray"], 2, "did you mean 'array'"),
        (["recipe.toml", "--repeats", "0"], 2, "Invalid value for '--repeats'"),
        (["missing.toml"], 1, "cannot be read"),
        (["recipe.toml", "--set", "optimizer.name=adamm"], 2, "did you mean"),
        (["recipe.toml", "--set", "optimizer.name=lbfgs"], 2, "line search"),
        (["own_setup_to_find:raising"], 1, "no weights today"),
        (["own_setup_to_find:soundd"], 2, "did you mean 'sound'"),
    ],
)
def test_bad_input_is_refused_without_a_traceback(
    arguments: list[str], status: int, words: str, recipe: str, factory: str, ask: Ask
) -> None:
    answer = ask("find-lr", *arguments)
    assert answer.status == status
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_a_rate_that_is_no_number_is_told_of_the_finder(recipe: str, ask: Ask) -> None:
    answer = ask("train", recipe, "--set", "optimizer.lr=fnd")
    assert answer.status == 2
    assert "not 'fnd'; 'find' asks the learning-rate finder" in answer.err


def test_training_at_a_found_rate_says_which(recipe: str, ask: Ask) -> None:
    answer = ask("train", recipe, "--set", "optimizer.lr=find", "--set", "train.epochs=3", "--folder", "run")
    assert answer.status == 0, answer.err
    assert "learning rate" in answer.out
    assert "lr = " in Path("run/recipe.toml").read_text(encoding="utf-8")
