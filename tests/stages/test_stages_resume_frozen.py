"""Runs with frozen parts that were broken off: what is frozen, what is freed, and what trains on features go on too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import RunError
from trainwright.interruption import Interrupted
from trainwright.records import Location, StepRecord
from trainwright.stages.given import changes_of, prepare_given
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import carry_out
from trainwright.tensors import digest


class EndAt:
    """An observer that asks a run to end in a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def observe(self, record: object) -> None:
        if isinstance(record, StepRecord) and record.step == self.step:
            raise SystemExit

    def finish(self, outcome: object) -> None:
        pass


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2),
    )  # fmt: skip


def pair(seed: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(60, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x.mean((1, 2, 3)) > 0).long()


FIT: dict[str, Any] = {
    "epochs": 4, "batch_size": 16, "threads": 1, "verify": "off", "lr": 0.03, "checkpoint_every_steps": 1,
}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "features": {"freeze": ["0", "1"]},
    "features and an average": {"freeze": ["0", "1"], "ema": 0.9, "optimizer": "momentum"},
    "through the body": {"freeze": ["0", "1"], "cache_features": False},
    "freed in mid-run": {"freeze": ["0"], "unfreeze": {"1": 0.5}},
    "freed under schedule-free": {"freeze": ["0"], "unfreeze": {"1": 0.5, "6": 0.25}, "optimizer": "schedule_free"},
}


def broken_off(folder: Path, step: int, **settings: Any) -> None:
    recipe = Recipe.of(None, **changes_of({**FIT, **settings}))
    setup = prepare_given(recipe, net(), pair(), pair(6), loss=None, optimizer=None, caller=Location())
    with pytest.raises(SystemExit):
        carry_out(setup, folder, [EndAt(step)])


def numbers(run: tw.Run) -> dict[str, Any]:
    return {
        "digest": run.digest,
        "returned": digest(run.model.state_dict()),
        "steps": [repr(record.loss) for record in run.history.steps],
        "evals": [repr(record.loss) for record in run.history.evals],
        "best": run.outcome.best,
        "findings": [finding.kind for finding in run.findings],
    }


@pytest.mark.parametrize("case", CASES)
def test_a_run_with_a_frozen_part_that_was_broken_off_is_the_run_that_never_was(tmp_path: Path, case: str) -> None:
    settings = CASES[case]
    expected = tw.fit(net(), pair(), pair(6), folder=tmp_path / "whole", **{**FIT, **settings})
    assert len(expected.history.steps) == 16
    for cut in (1, 8, 13):  # what is freed in the middle is so from step 8 on
        folder = tmp_path / f"cut-{cut}"
        broken_off(folder, cut, **settings)
        model = net(seed=9)  # whatever it holds: the checkpoint has the body too
        run = tw.resume(folder, model=model, train=pair(), validation=pair(6))
        assert numbers(run) == numbers(expected), f"cut in step {cut}"
        assert all(parameter.requires_grad for parameter in model.parameters())
        events = [event.name for event in run.history.events]
        assert "frozen-moved" not in events
        assert events.count("frozen") == 1
        assert json.loads((folder / "run.json").read_text())["digest"] == expected.digest


def test_a_state_of_the_head_is_not_put_into_the_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_off(tmp_path / "run", 6, freeze=["0", "1"])
    monkeypatch.setattr("trainwright.stages.assemble.cached", lambda *given, **more: "it is refused")
    with pytest.raises(RunError, match="the part of the model that trains is not the one that trained before"):
        tw.resume(tmp_path / "run", model=net(), train=pair(), validation=pair(6))


def test_what_learns_already_goes_on_learning_where_a_run_is_made_longer(tmp_path: Path) -> None:
    settings = CASES["freed in mid-run"]
    broken_off(tmp_path / "run", 11, **settings)  # freed at step 8 of 16, and of 40 it would be at step 20
    before = net().state_dict()
    run = tw.resume(tmp_path / "run", model=net(), train=pair(), validation=pair(6), epochs=10)
    after = run.model.state_dict()
    assert len(run.history.steps) == 40
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["1.weight"], before["1.weight"])
    assert "frozen-moved" not in [event.name for event in run.history.events]


def test_an_interrupted_final_run_of_a_study_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pair()
    asked: dict[str, Any] = {
        "space": {"lr": tw.log_uniform(1e-2, 1e-1)}, "final": 1, "trials": 3, "rounds": 1, "epochs": 3,
        "batch_size": 16, "threads": 1, "checkpoint_every_steps": 2,
    }  # fmt: skip

    def tuned(folder: Path) -> tw.Study:
        return tw.tune(net, (x, y), pair(6), folder=folder, **asked)

    def cut(folder: Path) -> None:
        from trainwright.training import saver

        real = saver.Saver.after_step

        def after_step(self: saver.Saver, course: Any) -> None:
            real(self, course)
            if course.training.place.step == 5:
                raise Interrupted("interrupted from the keyboard", 130)

        with monkeypatch.context() as patch:
            patch.setattr(saver.Saver, "after_step", after_step)
            with pytest.raises(Interrupted):
                tuned(folder)

    whole = tuned(tmp_path / "whole")
    cut(tmp_path / "cut")
    run = tuned(tmp_path / "cut").final
    assert run is not None
    assert whole.final is not None
    assert run.digest == whole.final.digest
    assert [event.detail["text"] for event in run.history.events if event.name == "resumed"] == [
        "resumed from step 5, bit for bit"
    ]
