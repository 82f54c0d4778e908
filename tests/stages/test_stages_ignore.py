"""The key `doctor.ignore`: checked like any other, and honoured by train, verify, report and doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import trainwright as tw
from trainwright.cli.main import app
from trainwright.errors import RecipeError
from trainwright.stages.recipe import Recipe
from trainwright.stages.report import report_run
from trainwright.stages.run import Run
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.train import train
from trainwright.stages.verify import choose_checks, verify_setup

DIVERGING: dict[str, Any] = {
    "data.source": "diabetes",
    "model.name": "mlp",
    "model.width": 8,
    "optimizer.name": "momentum",
    "optimizer.lr": 10.0,
    "train.clip_norm": 0.0,
    "train.epochs": 20,
    "train.threads": 1,
    "train.verify": "off",
}


def follow(folder: Path | None = None, **changes: Any) -> Run:
    return train(
        Recipe.of(None, **(DIVERGING | {name.replace("__", "."): value for name, value in changes.items()})),
        folder=folder,
    )


def test_a_code_that_does_not_exist_is_refused_with_the_nearest_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[doctor]\nlevel = "light"\nignore = ["TW103", "dead-rely"]\n')
    with pytest.raises(RecipeError) as caught:
        Recipe.read(file)
    assert "recipe.toml:3: there is no diagnosis 'dead-rely'; did you mean 'dead-relu'?" in str(caught.value)


@pytest.mark.parametrize("value", ["TW103", [103], True])
def test_what_is_no_list_of_names_is_refused(value: Any) -> None:
    with pytest.raises(RecipeError, match=r"doctor\.ignore"):
        Recipe.of({"doctor": {"ignore": value}})


def test_a_run_does_not_tell_what_is_ignored_and_says_once_that_it_does_not(tmp_path: Path) -> None:
    plain = follow()
    kinds = [finding.kind for finding in plain.findings]
    assert kinds
    quiet = follow(tmp_path / "run", doctor__ignore=kinds)
    assert quiet.findings == ()
    assert quiet.digest == plain.digest
    assert not [event for event in quiet.history.events if event.name == "finding"]
    assert quiet.report().count("ignored") == 1
    written = report_run(tmp_path / "run")
    assert written.document["findings"] == []
    assert not set(kinds) & set(written.document["healthy"])
    assert f"ignored: {', '.join(kinds)}" in written.page.read_text()


def test_a_run_that_goes_on_is_judged_without_what_is_ignored(tmp_path: Path) -> None:
    follow(tmp_path / "run", doctor__ignore=["learning-rate-too-high", "non-finite-loss"])
    head = json.loads((tmp_path / "run" / "run.json").read_text())
    for name in ("outcome", "findings", "digest"):
        head.pop(name, None)
    (tmp_path / "run" / "run.json").write_text(json.dumps(head))
    found = report_run(tmp_path / "run").document["findings"]
    assert not {"learning-rate-too-high", "non-finite-loss"} & {finding["kind"] for finding in found}


def test_a_check_whose_findings_are_ignored_is_skipped_and_not_passed() -> None:
    asked = {"data.source": "diabetes", "data.normalise": "none", "optimizer.lr": 30.0, "train.threads": 1}
    checks = choose_checks(extent="quick")
    recipe = Recipe.of(None, **asked)
    plain = verify_setup(prepare(recipe, load_data(recipe)), checks)
    kinds = {finding.kind for result in plain.results for finding in result.findings}
    assert kinds
    recipe = recipe.changed({"doctor.ignore": sorted(kinds)})
    quiet = verify_setup(prepare(recipe, load_data(recipe)), checks)
    assert quiet.findings == []
    loud = {result.check for result in plain.results if result.findings}
    assert {result.check for result in quiet.results if "ignored" in result.reason} == loud
    assert all(result.status == "skipped" for result in quiet.results if result.check in loud)


def test_fit_takes_it_by_its_own_name() -> None:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    settings: dict[str, Any] = {"epochs": 1, "verify": "off", "threads": 1}
    model = nn.Sequential(nn.Linear(4, 2), nn.Softmax(1))
    y = (x[:, 0] > 0).long()
    assert "TW301" in {finding.code for finding in tw.fit(model, (x, y), **settings).findings}
    assert "TW301" not in {finding.code for finding in tw.fit(model, (x, y), ignore=["TW301"], **settings).findings}


def test_a_comment_in_the_recipe_silences_its_line(tmp_path: Path) -> None:
    lines = {name: f"{name.partition('.')[2]} = {json.dumps(value)}" for name, value in DIVERGING.items()}
    sections: dict[str, list[str]] = {}
    for name, line in lines.items():
        remark = "  # trainwright: ignore[TW501]" if name == "optimizer.lr" else ""
        sections.setdefault(name.partition(".")[0], []).append(line + remark)
    file = tmp_path / "recipe.toml"
    file.write_text("\n".join("\n".join([f"[{name}]", *rows]) for name, rows in sections.items()))
    loud = {finding.code for finding in follow().findings}
    assert loud - {finding.code for finding in train(Recipe.read(file)).findings} == {"TW501"} & loud


def test_the_doctor_of_a_run_folder_honours_it(tmp_path: Path) -> None:
    follow(tmp_path / "run", doctor__ignore=["learning-rate-too-high", "non-finite-loss", "TW501"])
    answer = CliRunner().invoke(app, ["doctor", str(tmp_path / "run"), "--json", "-"])
    assert "learning-rate-too-high" not in [f["kind"] for f in json.loads(answer.stdout)["findings"]]
