"""The key `doctor.repair`: from the recipe and from `fit` to the report, the folder and the terminal."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import trainwright as tw
from trainwright.cli.progress import Progress
from trainwright.errors import RecipeError
from trainwright.randomness import isolated
from trainwright.stages.preview import preview_model
from trainwright.stages.recipe import Recipe
from trainwright.stages.report import report_run
from trainwright.stages.run import Run
from trainwright.stages.train import carry_out, plan, train

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


def follow(folder: Path | None = None, watchers: Any = (), **changes: Any) -> Run:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return train(Recipe.of(None, **(DIVERGING | named)), folder=folder, watchers=watchers)


def net() -> nn.Sequential:
    with isolated(0):
        return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def labelled(*bad: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] + x[:, 1] > 0).long()
    x[list(bad), 2] = math.nan
    return x, y


def fit(*bad: int, **settings: Any) -> Run:
    chosen: dict[str, Any] = {"epochs": 4, "batch_size": 16, "threads": 1} | settings
    return tw.fit(net(), labelled(*bad), **chosen)


def test_a_run_that_diverges_at_rate_10_is_repaired_and_ends_well() -> None:
    lost, saved, again = follow(doctor__repair="off"), follow(doctor__repair="apply"), follow(doctor__repair="apply")
    assert lost.outcome.status == "diverged"
    assert saved.outcome.status == "finished"
    assert saved.outcome.best["validation"]["loss"] < 0.75 * lost.outcome.best["validation"]["loss"]
    assert saved.digest == again.digest
    causes = [event.detail["cause"] for event in saved.history.events if event.name == "repair"]
    assert causes[0] == "the loss was not finite"
    assert causes[1].startswith("50 steps after a repair the loss was")  # a tenth of the rate was not low enough
    assert saved.outcome.ledger is not None
    assert saved.outcome.ledger.problems == ()


@pytest.mark.parametrize("change", [{"doctor__level": "off"}, {"train__evaluate_every_steps": 3}])
def test_looking_more_or_less_does_not_change_a_repaired_run(change: dict[str, Any]) -> None:
    short: dict[str, Any] = {"doctor__repair": "apply", "train__epochs": 8}
    assert follow(**short, **change).digest == follow(**short).digest


def test_by_default_the_repair_is_suggested_with_its_patch_and_the_run_ends_as_without() -> None:
    plain, suggested = follow(doctor__repair="off"), follow()
    assert suggested.outcome.status == "diverged"
    assert suggested.digest == plain.digest
    text = suggested.report()
    assert "doctor.repair = 'apply' would have gone back to the weights before step 0" in " ".join(text.split())
    assert any(remedy.change and remedy.change.get("optimizer.lr") == 1.0 for remedy in remedies(suggested))
    assert not any("doctor.repair" in remedy.text for remedy in remedies(plain))


def remedies(run: Run) -> list[Any]:
    return [remedy for finding in run.findings for remedy in finding.remedies]


def test_terminal_events_report_and_page_say_what_was_done(tmp_path: Path) -> None:
    folder, output = tmp_path / "run", io.StringIO()
    recipe = Recipe.of(None, **(DIVERGING | {"doctor.repair": "apply"}))
    setup = plan(recipe, folder)
    with Progress(Console(file=output, width=100), setup.info) as progress:
        run = carry_out(setup, folder, [progress])
    assert "repair at step" in output.getvalue()
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    stored = [line for line in lines if line["name"] == "repair"]
    assert stored[0]["detail"]["to_step"] == 0
    assert stored[0]["detail"]["new_rate"] == 1.0
    assert "went back to the weights before step 0" in " ".join(run.report().split())
    written = report_run(folder)
    assert "went back to the weights before step 0" in " ".join(written.text.split())
    assert "went back to the weights before step 0" in written.page.read_text()
    assert any("repaired: " in json.dumps(finding) for finding in written.document["findings"])


def test_a_row_that_is_not_finite_is_named_and_left_out() -> None:
    run = fit(17, repair="apply")
    assert run.outcome.status == "finished"
    assert run.outcome.ledger is not None
    assert run.outcome.ledger.bad_batches == 4
    assert run.outcome.ledger.problems == ()
    assert math.isfinite(run.outcome.best["train"]["loss"])
    text = " ".join(run.report().split())
    assert "training sample 17 (inputs) is not finite" in text
    assert "4 steps left out" in text
    assert [finding.kind for finding in run.findings if finding.severity == "error"] == ["non-finite-input"]


def test_without_the_repair_such_data_are_refused_with_the_key_that_would_take_them() -> None:
    refused, silent = fit(17), fit(17, repair="off")
    assert refused.outcome.status == silent.outcome.status == "stopped"
    assert {"doctor.repair": "apply"} in [remedy.change for remedy in remedies(refused)]
    assert {"doctor.repair": "apply"} not in [remedy.change for remedy in remedies(silent)]


def test_labels_that_no_class_has_still_block_a_run_that_repairs() -> None:
    x, y = labelled()
    y[3] = 7
    assert tw.fit(net(), (x, y), epochs=1, threads=1, repair="apply").outcome.status == "stopped"


def test_a_schedule_free_run_with_batch_normalisation_takes_bad_rows_too() -> None:
    run = fit(17, repair="apply", optimizer="schedule_free", schedule="constant")
    assert run.outcome.status == "finished"
    assert all(math.isfinite(record.loss) for record in run.history.evals)


def test_the_forecast_says_what_the_copies_take() -> None:
    plain = preview_model(Recipe.of(None, **DIVERGING))
    asked = preview_model(Recipe.of(None, **(DIVERGING | {"doctor.repair": "apply"})))
    assert "repair_bytes" not in plain.document
    memory = asked.document["memory"]
    kept = memory["parameters"] + memory["buffers"] + memory["optimizer_state"]
    assert asked.document["repair_bytes"] == 2 * kept
    assert "two copies of the run's state" in asked.text


def test_another_word_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"doctor\.repair cannot be 'aply'; did you mean 'apply'"):
        Recipe.of(None, **{"doctor.repair": "aply"})
