"""A finished model used again: loaded, predicted with, exported, shown; and what must not judge it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.data.npzfile import read_npy
from trainwright.ensembles.network import Network
from trainwright.errors import DataError, RunError, UsageError
from trainwright.stages.export import export
from trainwright.stages.finish_checks import first_difference
from trainwright.stages.finish_material import feed_of
from trainwright.stages.finish_overlap import overlap
from trainwright.stages.predict import predict
from trainwright.stages.recipe import Recipe
from trainwright.stages.report import report_run
from trainwright.stages.train import train

Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of other widths, on a table of two named classes."""
    parent = tmp_path_factory.mktemp("runs")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=generator)
    sick = x.sum(1) + torch.randn(300, generator=generator) > 0
    rows = [f"{a:.4f},{b:.4f},{'sick' if one else 'healthy'}" for (a, b), one in zip(x.tolist(), sick, strict=True)]
    (parent / "people.csv").write_text("\n".join(["a,b,state", *rows]))
    found = []
    for width in (8, 16):
        recipe = Recipe.of(
            {"data": {"source": str(parent / "people.csv"), "target": "state"},
             "model": {"name": "mlp", "width": width}, "train": {"epochs": 3, "threads": 1, "verify": "off"}}
        )  # fmt: skip
        found.append(train(recipe, folder=parent / f"width-{width}").folder)
    assert found[0] is not None
    return [folder for folder in found if folder is not None]


@pytest.fixture(scope="module")
def finished(folders: list[Path]) -> Path:
    """Both as one model, whatever gained: what is kept is what is under test."""
    import trainwright.ensembles.gains as gains

    original = gains._chosen
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gains, "_chosen", lambda bootstrap, every, found, pool: every[1])
        tw.finish(folders, costs=(1.0, 4.0), folder=folders[0].parent / "both")
    assert gains._chosen is original
    return folders[0].parent / "both"


def test_a_finished_model_answers_again_as_it_did(folders: list[Path], finished: Path) -> None:
    model, members = tw.load(finished), [tw.load(folder) for folder in folders]
    data = finished.parent / "people.csv"
    plan = json.loads((finished / "model.json").read_text())
    mixed = torch.stack([member.predict(data) for member in members]).mean(0)
    expected = (mixed.log() / plan["temperature"]).softmax(1)
    torch.testing.assert_close(model.predict(data), expected, rtol=1e-4, atol=1e-5)
    assert model.classes == ("healthy", "sick")
    assert model.threshold == pytest.approx(0.2)
    found = predict(model, data)
    for row, likely in zip(found.rows, expected[:, 1].tolist(), strict=True):
        if abs(likely - 0.2) > 1e-4:
            assert row[1] == ("sick" if likely > 0.2 else "healthy")
    assert any("'sick' is predicted from probability 0.2 on" in note for note in found.notes)


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_an_export_of_a_finished_model_is_one_program_of_its_members(finished: Path, tmp_path: Path, form: str) -> None:
    made = export(finished, form, tmp_path / form)
    again, model = tw.load(tmp_path / form), tw.load(finished)
    data = finished.parent / "people.csv"
    torch.testing.assert_close(again.predict(data), model.predict(data), rtol=1e-4, atol=1e-5)
    assert again.threshold == model.threshold
    assert [member["share"] for member in made.card["ensemble"]["members"]] == [0.5, 0.5]
    assert {"validation", "test"} == set(made.card["metrics"])
    assert not any("never came to its end" in limit for limit in made.card["limits"])
    card = json.loads((tmp_path / form / "card.json").read_text())
    card["ensemble"]["temperature"] = 9.0
    (tmp_path / form / "card.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match="damaged"):
        tw.load(tmp_path / form)


def test_a_finished_model_shows_its_page_again(finished: Path, tmp_path: Path) -> None:
    written = report_run(finished, tmp_path / "page.html")
    assert "what gained and what lost" in written.text
    assert "What gained and what lost" in written.page.read_text()
    assert written.document["gains"]["chosen"] == "ensemble of 2"


def test_a_byte_that_changed_in_a_finished_model_is_noticed(finished: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    plan = (copy / "model.json").read_text()
    (copy / "model.json").write_text(plan.replace('"share": 0.5', '"share": 0.6', 1))
    with pytest.raises(RunError, match="damaged"):
        tw.load(copy)
    (copy / "model.json").write_text(plan)
    members = sorted((copy / "members").iterdir())
    members[0].rename(copy / "members" / "other")
    members[1].rename(members[0])
    (copy / "members" / "other").rename(members[1])
    with pytest.raises(RunError, match="not those that it was finished with"):
        tw.load(copy)


def blobs(count: int, seed: int) -> Pair:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    return 2 * nn.functional.one_hot(y, 3).float() + torch.randn(count, 3, generator=generator), y


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture(scope="module")
def run() -> tw.Run:
    torch.manual_seed(0)
    return tw.fit(net(), blobs(100, 0), epochs=2, verify="off", seed=0)


def test_members_that_were_given_in_python_are_made_by_what_is_passed(run: tw.Run, tmp_path: Path) -> None:
    ensemble = tw.finish(run, blobs(100, 1), folder=tmp_path / "out")
    with pytest.raises(UsageError, match="given in Python"):
        tw.load(tmp_path / "out")
    x = blobs(50, 2)[0]
    torch.testing.assert_close(tw.load(tmp_path / "out", model=net).predict(x), ensemble.predict(x))


def test_what_judges_must_not_have_been_seen(run: tw.Run) -> None:
    x, y = blobs(300, 1)
    with pytest.raises(UsageError, match="test and validation are the same data"):
        tw.finish(run, (x, y), test=(x[:200], y[:200]))
    with pytest.raises(UsageError, match="test data are drawn in part from the validation data") as caught:
        tw.finish(run, (x[:200], y[:200]), test=(x[100:], y[100:]))
    assert "100 of 200 test samples" in caught.value.evidence
    with pytest.raises(UsageError, match="validation and training are the same data"):
        tw.finish(run, blobs(100, 0))
    few = tw.finish(run, (x[:200], y[:200]), test=(x[197:], y[197:]))
    assert any("3 of 103 test samples" in note for note in few.info.notes)


def test_samples_that_repeat_by_themselves_are_no_leak() -> None:
    # A table of few values: nearly every row occurs again, in every part.
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randint(0, 3, (600, 3), generator=generator).float(), torch.zeros(600, dtype=torch.long)
    parts = [feed_of((x[some], y[some]), Network(name="", model=net()), "") for some in (slice(300), slice(300, 600))]
    found = overlap(parts[0], parts[1])
    assert found.found > 290
    assert not found.is_beyond_usual


def test_inputs_that_are_not_finite_are_named_and_not_the_network(run: tw.Run) -> None:
    x, y = blobs(100, 1)
    x[7, 1] = torch.nan
    with pytest.raises(DataError, match="the data to judge by hold inputs that are not finite") as caught:
        tw.finish(run, (x, y))
    assert "sample 8" in caught.value.evidence


def test_absurd_numbers_are_refused_with_their_bound(run: tw.Run) -> None:
    for asked in ({"seeds": 0}, {"seeds": 999_999_999}, {"cycles": 0}, {"seeds": True}):
        with pytest.raises(UsageError, match="from 1 to 1000") as caught:
            tw.finish(run, blobs(100, 1), **asked)  # type: ignore[arg-type]
        assert caught.value.remedy


def test_a_place_that_cannot_be_written_is_said_before_anything_is_trained(run: tw.Run) -> None:
    said: list[str] = []
    with pytest.raises(RunError, match="cannot be written"):
        tw.finish(
            run, blobs(100, 1), train=blobs(100, 0), model=net, methods=("seeds",), folder="/proc/no/such",
            say=said.append,
        )  # fmt: skip
    assert said == []


def test_a_run_on_fewer_columns_is_refused_by_the_column(folders: list[Path], tmp_path: Path) -> None:
    recipe = Recipe.read(folders[0] / "recipe.toml").changed({"data.ignore": ["b"], "train.epochs": 1})
    train(recipe, folder=tmp_path / "one")
    with pytest.raises(DataError, match="other columns") as caught:
        tw.finish([folders[0], tmp_path / "one"])
    assert caught.value.evidence == "it lacks 'b'"


def test_the_first_difference_of_two_preparations_is_told_with_its_path() -> None:
    one = {"kind": "table", "columns": [{"name": "a", "mean": 0.0}, {"name": "b", "mean": 1.0}]}
    other = {"kind": "table", "columns": [{"name": "a", "mean": 0.0}, {"name": "b", "mean": 2.0}]}
    assert first_difference(one, other) == "columns['b'].mean is 1.0, and 2.0 there"
    assert first_difference(one, one) == ""


def test_members_with_one_start_are_averaged_where_no_hill_is_between_them(folders: list[Path]) -> None:
    ensemble = tw.finish(folders[0], methods=("seeds", "soup"), seeds=2, shared_start=True)
    assert any("begin with the first run's weights" in note for note in ensemble.info.notes)
    rows = {row.method for row in ensemble.gains.rows}
    assert "uniform soup" in rows or any("is in no soup" in note for note in ensemble.info.notes)
    without = tw.finish(folders[0], methods=("seeds", "soup"), seeds=2)
    assert any("no soup of the members" in note for note in without.info.notes)


def test_the_cost_of_members_against_one_is_told(run: tw.Run) -> None:
    ensemble = tw.finish(run, blobs(100, 1), train=blobs(100, 0), model=net, methods=("seeds",), seeds=5)
    assert any("4 against 1 at" in note and "times the cost" in note for note in ensemble.info.notes)


def test_tables_in_utf_16_and_single_arrays_are_named_or_read(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("a,b\n1,2\n", encoding="utf-16")
    with pytest.raises(DataError, match="UTF-16") as caught:
        tw.load(folders[0]).predict(tmp_path / "wide.csv")
    assert "iconv -f UTF-16" in caught.value.remedy
    numpy.save(tmp_path / "one.npy", numpy.ones((3, 2)))
    assert numpy.array_equal(read_npy(tmp_path / "one.npy"), numpy.ones((3, 2)))
    numpy.save(tmp_path / "objects.npy", numpy.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read_npy(tmp_path / "objects.npy")
