"""A run whose data stay on disk: as good as one in memory, the same for any workers, and resumed bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_stages_resume import broken_off_recipe

import trainwright as tw
from trainwright.errors import RecipeError
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "t.csv"
    rows = np.random.default_rng(0).normal(size=(3000, 4))
    lines = (",".join(f"{value:.5f}" for value in row) + (",a" if row[0] > row[1] else ",b") for row in rows)
    path.write_text("f,g,h,i,label\n" + "\n".join(lines) + "\n")
    return path


def recipe(table: Path, **changes: Any) -> Recipe:
    return Recipe.of(
        {
            "data": {"source": str(table), "streaming": True},
            "train": {"epochs": 3, "batch_size": 32, "threads": 1, "verify": "off", "checkpoint_every_steps": 10},
        },
        **changes,
    )


@pytest.fixture(scope="module")
def whole(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    return train(recipe(table), folder=tmp_path_factory.mktemp("whole") / "run")


def test_a_run_from_disk_learns_what_one_from_memory_learns(table: Path, whole: tw.Run) -> None:
    other = train(recipe(table, **{"data.streaming": False}))
    for run in (whole, other):
        assert run.outcome.status == "finished"
        assert run.outcome.best["validation"]["accuracy"] > 0.97
        assert not run.findings
    assert whole.digest != other.digest  # another division and another order


def test_the_workers_that_read_ahead_change_nothing(table: Path, whole: tw.Run) -> None:
    for workers in (0, 3):
        assert train(recipe(table, **{"data.workers": workers})).digest == whole.digest


def test_a_run_from_disk_goes_on_in_the_middle_of_an_epoch_bit_for_bit(
    table: Path, whole: tw.Run, tmp_path: Path
) -> None:
    run = tw.resume(broken_off_recipe(recipe(table), tmp_path / "run", 77))
    assert run.digest == whole.digest
    kept = Recipe.read(tmp_path / "run" / "recipe.toml")
    assert kept.data.streaming is True


def test_what_needs_all_samples_at_once_is_refused(table: Path) -> None:
    with pytest.raises(RecipeError, match="block by block"):
        train(recipe(table, **{"train.sampler": "balanced"}))


def test_a_model_of_tokens_on_disk_is_trained_kept_and_used(tmp_path: Path) -> None:
    np.tile(np.arange(20), 400).astype("<u2").tofile(tmp_path / "t.bin")
    asked = Recipe.of(
        {
            "data": {"source": str(tmp_path / "t.bin"), "context": 16},
            "train": {"steps": 30, "epochs": 2, "batch_size": 16, "threads": 1, "verify": "off"},
            "model": {"name": "transformer", "width": 32, "layers": 1, "heads": 2},
        }
    )
    run = train(asked, folder=tmp_path / "run")
    assert run.outcome.status == "finished"
    answers = tw.load(tmp_path / "run").predict(np.arange(16)[None])
    assert len(answers) == 1
