"""A slice through the loss of a run of one's own: its weights, its data, two of its dimensions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from lab_runs import plain

from trainwright.errors import RunError
from trainwright.lab import tasks
from trainwright.lab.curvature import sharpness
from trainwright.lab.kept import kept_weights
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


def test_a_way_of_several_weights_is_seen_along_its_principal_directions(tmp_path: Path) -> None:
    recipe = Recipe.of(
        {
            "data": {"source": "iris"},
            "train": {"epochs": 3, "seed": 3, "checkpoint_every_steps": 1, "keep_last": 9},
            "model": {"width": 16},
        }
    )
    train(recipe, folder=tmp_path / "kept")
    result = simulate("loss-landscape", {"folder": str(tmp_path / "kept")})
    field = result.fields[0]
    assert "principal direction 1" in field.x_axis.label
    assert "principal direction 2" in field.y_axis.label
    (way,) = field.paths
    assert len(way.x) >= 4
    assert (way.x[0], way.x[-1], way.y[-1]) == pytest.approx((-1.0, 0.0, 0.0), abs=1e-6)
    explained = float(result["share of the way's variance in the plane"])
    assert 0.8 < explained <= 1.0
    shares = [
        float(axis.label.split("direction ")[1].split(", ")[1].split("%")[0]) for axis in (field.x_axis, field.y_axis)
    ]
    assert sum(shares) == pytest.approx(100 * explained, abs=0.11)
    assert shares[0] >= shares[1]


def test_the_curvature_of_a_run_is_that_of_its_loss(folder: Path) -> None:
    told = tasks.curvature(lambda: False, str(folder))
    assert told["places"][0]["name"] == "untrained"
    assert told["bound"] is False  # AdamW has another limit
    for place in told["places"]:
        assert place["limit"] == pytest.approx(2 / place["sharpness"])


@pytest.mark.parametrize("curvatures", [(3.0, 1.0, 0.2), (1.0, -5.0, 0.5)])
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(curvatures: tuple[float, ...]) -> None:
    scales = torch.tensor(curvatures, dtype=torch.float64)
    weights = torch.ones(3, dtype=torch.float64, requires_grad=True)
    found = sharpness(lambda: (scales * weights**2).sum() / 2, [weights], 0)
    assert found == pytest.approx(max(curvatures), rel=1e-3)


def test_a_loss_that_is_linear_has_no_sharpness() -> None:
    weights = torch.ones(3, requires_grad=True)
    assert sharpness(lambda: weights.sum(), [weights], 0) == 0.0


def test_every_weight_is_in_one_bar_of_its_histogram(folder: Path) -> None:
    told = tasks.weights(lambda: False, str(folder))
    kept = {each.name: each.weights for each in kept_weights(folder)}
    assert [each["name"] for each in told["moments"]] == list(kept)
    for parameter in told["parameters"]:
        for moment, weights in zip(parameter["moments"], kept.values(), strict=True):
            values = weights[parameter["name"]]
            assert sum(moment["counts"]) == values.numel()
            assert moment["mean"] == pytest.approx(float(values.mean()), abs=1e-6)
            assert moment["lost"] == 0


def test_a_run_without_weights_has_none_to_show(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="kept no weights"):
        tasks.weights(lambda: False, str(tmp_path))
