"""A slice through the loss of a run of one's own: its weights, its data, two of its dimensions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab_runs import plain

from trainwright.errors import RunError
from trainwright.lab.registry import simulate
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "iris"
    recipe = Recipe.of({"data": {"source": "iris"}, "train": {"epochs": 4, "seed": 3}, "model": {"width": 16}})
    train(recipe, folder=place)
    return place


def test_the_slice_of_a_run_says_how_little_it_shows(folder: Path) -> None:
    result = simulate("loss-landscape", {"folder": str(folder)})
    field = result.fields[0]
    assert result["dimensions shown"] == 2
    assert f"2 of {result['dimensions of the model']:,} dimensions" in field.caveat
    assert "2 of" in result.verdict.text
    assert folder.name in field.title
    assert result["share of the way's variance in the plane"] == pytest.approx(1.0)
    plain(result)


def test_the_way_of_the_run_begins_untrained_and_ends_lower(folder: Path) -> None:
    result = simulate("loss-landscape", {"folder": str(folder)})
    (way,) = result.fields[0].paths
    assert way.name.startswith("untrained")
    assert (way.x[0], way.x[-1]) == pytest.approx((-1.0, 0.0), abs=1e-6)
    heights = [float(marker.text.rsplit(": ", 1)[1]) for marker in result.fields[0].markers]
    assert heights[-1] < heights[0]


def test_the_same_folder_and_seed_give_the_same_slice(folder: Path) -> None:
    values = {"folder": str(folder), "seed": 5}
    assert plain(simulate("loss-landscape", values)) == plain(simulate("loss-landscape", values))


def test_a_run_without_weights_is_cut_along_random_directions(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "checkpoints")
    field = simulate("loss-landscape", {"folder": str(tmp_path / "bare")}).fields[0]
    assert "random" in field.x_axis.label
    assert field.paths[0].name == "untrained"


@pytest.mark.parametrize("harm", ["gone", "torn", "no recipe"])
def test_a_folder_that_cannot_be_read_is_refused_in_one_sentence(harm: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "harmed"
    if harm != "gone":
        shutil.copytree(folder, place)
    if harm == "torn":
        (place / "run.json").write_text((place / "run.json").read_text()[:50])
    if harm == "no recipe":
        (place / "recipe.toml").unlink()
    with pytest.raises(RunError):
        simulate("loss-landscape", {"folder": str(place)})


def test_the_rates_that_a_run_logged_are_drawn_beside_the_schedules(folder: Path) -> None:
    result = simulate("schedules", {"folder": str(folder)})
    assert result.plots[0].series[-1].name.startswith("logged by")
    assert result["largest rate, your run"] > 0
    assert result["epochs, your run"] == 4
    assert max(result.plots[0].series[-1].x) < 4  # over its own epochs, not stretched over those of the controls
    assert result["largest rate, cosine"] == pytest.approx(result["largest rate, your run"], rel=0.05)


def test_the_checklist_checks_the_model_and_the_data_of_a_run(folder: Path) -> None:
    result = simulate("checklist", {"folder": str(folder)})
    assert result["initial-loss"] == "passed"
    assert "recipe.toml" in result.tables[0].title


def test_the_order_of_work_says_how_far_the_runs_of_a_folder_have_come(folder: Path, tmp_path: Path) -> None:
    result = simulate("recipe", {"folder": str(folder.parent)})
    assert result["train done"] is True
    assert result["tune done"] is False
    assert "still to do" in result.verdict.text
    with pytest.raises(RunError):
        simulate("recipe", {"folder": str(tmp_path / "nowhere")})
