"""Recommendations: each a setting that a recipe takes, with a reason and a source, following the data."""

from __future__ import annotations

from typing import Any

import pytest

from trainwright.parts import models, optimizers
from trainwright.records import DataShape
from trainwright.stages.choose import Facts, advice, choose, recommended_rate, schedule_for
from trainwright.stages.recipe import Recipe


def facts(kind: str, **changes: Any) -> Facts:
    shapes = {
        "image": DataShape(input_shape=(1, 28, 28), outputs=10, task="classification"),
        "table": DataShape(input_shape=(7,), outputs=1, task="regression", groups=(1, 1, 5)),
        "text": DataShape(input_shape=(64,), outputs=65, task="classification", vocabulary=65),
        "labels": DataShape(input_shape=(7,), outputs=4, task="multi-label"),
        "binary": DataShape(input_shape=(7,), outputs=2, task="classification"),
    }
    shape = shapes[kind]
    return Facts(**({"task": shape.task, "shape": shape, "samples": 60_000} | changes))


def chosen(kind: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    return {choice.setting: choice.value for choice in choose(facts(kind), given or {})}


KINDS = ["image", "table", "text", "labels", "binary"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_is_a_setting_that_a_recipe_takes_with_reason_and_source(kind: str) -> None:
    choices = choose(facts(kind), {})
    assert all(choice.reason and choice.source for choice in choices)
    recipe = Recipe.of(None, **{choice.setting: choice.value for choice in choices})
    assert {"loss.name", "model.name", "optimizer.name", "schedule.name"} <= {choice.setting for choice in choices}
    assert recipe.model.name in models.CATALOGUE


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("image", "cross_entropy"),
        ("table", "mse"),
        ("text", "cross_entropy"),
        ("labels", "bce_with_logits"),
        ("binary", "bce_with_logits"),
    ],
)
def test_the_loss_follows_the_task(kind: str, loss: str) -> None:
    assert chosen(kind)["loss.name"] == loss


def test_the_network_follows_the_samples() -> None:
    assert chosen("image")["model.name"] == "cnn"
    assert chosen("text")["model.name"] == "transformer"
    assert chosen("labels")["model.name"] == "mlp"


def test_what_was_asked_for_is_not_chosen_again_and_the_rest_follows_it() -> None:
    assert "model.name" not in chosen("image", {"model.name": "mlp"})
    assert chosen("image", {"model.name": "mlp"})["model.norm"] == "none"
    assert chosen("image", {"model.name": "resnet"})["model.norm"] == "batch"
    # A rate measured for AdamW says nothing about another optimizer.
    assert "optimizer.lr" not in chosen("image", {"optimizer.name": "sgd"})


def test_a_schedule_is_left_out_where_the_optimizer_takes_its_place() -> None:
    for name, spec in optimizers.CATALOGUE.items():
        expected = "constant" if spec.closure or spec.averages else "warmup_cosine"
        assert schedule_for(name).value == expected


def test_the_recommended_rate_is_the_optimizer_s_own_where_the_network_says_nothing() -> None:
    assert recommended_rate("no such network", "adamw") == optimizers.CATALOGUE["adamw"].options["lr"].default
    assert recommended_rate("cnn", "sgd") == optimizers.CATALOGUE["sgd"].options["lr"].default


def test_imbalance_small_data_and_images_are_worth_a_word() -> None:
    said = " ".join(advice(facts("image", class_counts=(900, 100, 1000))))
    assert "10 times as many" in said
    assert "loss.weights = 'balanced'" in said
    assert "augment.flip" in said
    assert "are few" in " ".join(advice(facts("labels", samples=100)))
    assert "loss.pos_weight = 9" in " ".join(advice(facts("binary", class_counts=(900, 100))))
    assert "as many" not in " ".join(advice(facts("binary", class_counts=(100, 90))))
