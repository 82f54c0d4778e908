"""`tw.resume`: what it goes on with, what it refuses, and what it says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.errors import RunError, UsageError
from trainwright.records import StepRecord
from trainwright.runs.lock import LOCK, RunLock
from trainwright.runs.reader import read_run
from trainwright.stages import resume_fields
from trainwright.stages import train as training
from trainwright.stages.conditions import differences
from trainwright.stages.recipe import Recipe
from trainwright.stages.sections import SECTIONS
from trainwright.stages.train import train
from trainwright.tensors import digest

RECIPE = {
    "data": {"source": "iris"},
    "train": {"epochs": 3, "batch_size": 16, "threads": 1, "verify": "off", "checkpoint_every_steps": 4},
}


class Ended(BaseException):
    pass


class EndAt:
    """An observer that ends the program in a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def observe(self, record: object) -> None:
        if isinstance(record, StepRecord) and record.step == self.step:
            raise Ended

    def finish(self, outcome: object) -> None:
        pass


def broken_off(folder: Path, step: int, **changes: Any) -> Path:
    return broken_off_recipe(Recipe.of(RECIPE, **changes), folder, step)


def broken_off_recipe(recipe: Recipe, folder: Path, step: int) -> Path:
    with pytest.raises(Ended):
        train(recipe, folder=folder, watchers=[EndAt(step)])
    return folder


def resumed(run: tw.Run) -> list[str]:
    return [event.detail["text"] for event in run.history.events if event.name == "resumed"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    return train(Recipe.of(RECIPE), folder=tmp_path_factory.mktemp("whole") / "run")


def test_a_run_goes_on_from_its_newest_checkpoint_in_the_middle_of_an_epoch(tmp_path: Path, whole: tw.Run) -> None:
    run = tw.resume(broken_off(tmp_path / "run", 10))
    assert run.digest == whole.digest
    assert resumed(run) == ["resumed from step 8, bit for bit"]
    assert [record.step for record in run.history.steps] == list(range(len(whole.history.steps)))
    assert digest(run.model.state_dict()) == digest(whole.model.state_dict())
    assert read_run(tmp_path / "run").digest == whole.digest


def test_a_run_without_a_checkpoint_goes_on_from_its_recipe(tmp_path: Path, whole: tw.Run) -> None:
    run = tw.resume(broken_off(tmp_path / "run", 2))
    assert run.digest == whole.digest
    assert resumed(run) == ["resumed from the start: there was no checkpoint yet, bit for bit"]
    assert len(run.history.steps) == len(whole.history.steps)


def test_a_run_that_was_cut_off_between_its_recipe_and_its_head_goes_on(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 2)
    for path in folder.iterdir():
        if path.name != "recipe.toml":
            path.unlink() if path.is_file() else shutil.rmtree(path)
    assert tw.resume(folder).digest == whole.digest


def test_a_run_that_has_ended_is_returned_as_it_is(tmp_path: Path, whole: tw.Run) -> None:
    folder = tmp_path / "run"
    assert whole.folder is not None
    shutil.copytree(whole.folder, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = tw.resume(folder)
    assert (run.digest, run.outcome) == (whole.digest, whole.outcome)
    assert digest(run.model.state_dict()) == digest(whole.model.state_dict())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_can_be_made_longer_and_it_is_said_that_this_is_another_run(tmp_path: Path, whole: tw.Run) -> None:
    assert whole.folder is not None
    shutil.copytree(whole.folder, tmp_path / "run")
    run = tw.resume(tmp_path / "run", epochs=5)
    assert run.outcome.steps == len(whole.history.steps) * 5 // 3
    assert resumed(run) == ["continued from step 21, not bit-exact: train.epochs 3 -> 5"]
    assert run.outcome.ledger is not None
    assert run.outcome.ledger.problems == ()
    assert Recipe.read(tmp_path / "run" / "recipe.toml").train.epochs == 5
    assert tw.resume(tmp_path / "run").digest == run.digest


def test_a_run_that_is_made_longer_under_a_constant_rate_is_the_longer_run(tmp_path: Path) -> None:
    constant = {"schedule.name": "constant", "train.steps": 10, "train.epochs": "auto"}
    train(Recipe.of(RECIPE, **constant), folder=tmp_path / "run")
    expected = train(Recipe.of(RECIPE, **{**constant, "train.steps": 17}))
    run = tw.resume(tmp_path / "run", steps=17)
    assert run.digest == expected.digest
    assert [repr(record.loss) for record in run.history.steps] == [repr(one.loss) for one in expected.history.steps]


def test_a_run_that_stopped_early_stays_stopped_and_goes_on_with_more_patience(tmp_path: Path) -> None:
    changes = {"optimizer.lr": 1e-14, "schedule.name": "constant", "train.patience": 2, "train.epochs": 8}
    first = train(Recipe.of(RECIPE, **changes), folder=tmp_path / "run")
    assert first.outcome.status == "stopped"
    assert tw.resume(tmp_path / "run").outcome == first.outcome
    longer = tw.resume(tmp_path / "run", patience=4)
    assert longer.outcome.steps > first.outcome.steps


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lr": 0.5}, "optimizer.lr: "),
        ({"seed": 4}, "train.seed: 0 -> 4"),
        ({"epochs": 1}, "train.epochs: 3 -> 1 (it may only grow)"),
        ({"batch_size": 8}, "train.batch_size: 16 -> 8"),
    ],
)
def test_what_the_past_was_made_under_cannot_be_changed(
    tmp_path: Path, settings: Mapping[str, Any], words: str
) -> None:
    folder = broken_off(tmp_path / "run", 10)
    with pytest.raises(RunError, match="cannot go on under other settings") as caught:
        tw.resume(folder, **settings)
    assert words in caught.value.evidence
    assert not (folder / LOCK).exists()


def test_a_recipe_that_was_edited_in_the_folder_is_noticed(tmp_path: Path) -> None:
    folder = broken_off(tmp_path / "run", 10)
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(text.replace("seed = 0", "seed = 5"))
    with pytest.raises(RunError, match="other settings"):
        tw.resume(folder)


def test_what_only_watches_may_be_changed(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    run = tw.resume(folder, checkpoint_every_steps=3, keep_last=4, level="off")
    assert run.digest == whole.digest
    assert resumed(run) == ["resumed from step 8, bit for bit"]
    assert len(list((folder / "checkpoints").glob("state-*"))) == 4


def test_every_setting_of_a_recipe_has_a_class() -> None:
    for section, form in SECTIONS.items():
        for key in form.model_fields:
            assert resume_fields.class_of(f"{section}.{key}") in ("frozen", "extendable", "free", "inexact")
    assert set(resume_fields.FIELDS) <= set(SECTIONS) | {
        f"{section}.{key}" for section, form in SECTIONS.items() for key in form.model_fields
    }


def test_no_condition_can_change_without_being_named(whole: tw.Run) -> None:
    assert whole.folder is not None
    manifest = max((whole.folder / "checkpoints").glob("state-*")) / "manifest.json"
    then = json.loads(manifest.read_text())["conditions"]
    assert differences(then, then) == []
    for name in then:
        other = {"model.py": "another"} if name == "code" else "another"
        said = differences(then, {**then, name: other})
        assert len(said) == 1
        assert ("model.py" if name == "code" else name) in said[0]


def test_how_many_devices_work_together_is_frozen() -> None:
    assert {resume_fields.class_of(f"distributed.{key}") for key in SECTIONS["distributed"].model_fields} <= {
        "frozen",
        "inexact",
    }


def test_a_condition_that_differs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    manifest = next((folder / "checkpoints").glob("state-*8/manifest.json"))
    monkeypatch.setattr("trainwright.stages.conditions.__version__", "9.9")
    monkeypatch.setattr("trainwright.stages.conditions._processor", lambda: "another one")
    assert manifest.exists()
    run = tw.resume(folder)
    (said,) = resumed(run)
    assert said.startswith("continued from step 8, not bit-exact: trainwright ")
    assert "-> another one" in said
    assert run.digest == whole.digest  # these two do not really matter


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(tmp_path: Path, whole: tw.Run, damage: str) -> None:
    folder = broken_off(tmp_path / "run", 10)
    latest = max((folder / "checkpoints").glob("state-*"))
    file = latest / ("manifest.json" if damage == "manifest" else "state.safetensors")
    content = bytearray(file.read_bytes())
    if damage in ("flip", "manifest"):
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(content[:-1])
    else:
        file.unlink()
    with pytest.raises(RunError, match="damaged"):
        tw.resume(folder, strict=True)
    run = tw.resume(folder)
    assert run.digest == whole.digest
    (said,) = resumed(run)
    assert f"the checkpoint {latest.name} is damaged" in said
    assert "resumed from step 4, bit for bit" in said
    assert (folder / "checkpoints" / f"damaged-{latest.name}").is_dir()


def test_where_every_checkpoint_is_damaged_the_run_begins_again(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    for path in (folder / "checkpoints").glob("state-*/state.json"):
        path.write_text("{")
    run = tw.resume(folder)
    assert run.digest == whole.digest
    assert "from the start" in resumed(run)[0]


def test_a_log_that_has_lost_a_part_goes_on_from_an_older_checkpoint_and_says_so(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    log = folder / "metrics.jsonl"
    older = json.loads((folder / "checkpoints" / "state-000001-step-00000004" / "manifest.json").read_text())
    log.write_bytes(log.read_bytes()[: older["log"]["metrics.jsonl"]])
    run = tw.resume(folder)
    assert run.digest == whole.digest
    assert "passed over state-000002-step-00000008: metrics.jsonl ends before it" in resumed(run)[0]


def test_where_the_log_is_lost_the_weights_are_not_thrown_away_with_it(tmp_path: Path) -> None:
    folder = broken_off(tmp_path / "run", 10)
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(RunError, match="lost what its checkpoints belong to") as refused:
        tw.resume(folder)
    assert "metrics.jsonl ends before it, at 0 bytes" in refused.value.evidence
    assert sorted(path.name for path in (folder / "checkpoints").glob("*state-*")) == [
        "state-000001-step-00000004",
        "state-000002-step-00000008",
    ]


def test_a_newest_checkpoint_that_is_gone_is_missed(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    shutil.rmtree(folder / "checkpoints" / "state-000002-step-00000008")
    with pytest.raises(RunError, match="state-000002-step-00000008, the newest checkpoint, is missing"):
        tw.resume(folder, strict=True)
    run = tw.resume(folder)
    assert run.digest == whole.digest
    assert resumed(run)[0].startswith("state-000002-step-00000008, the newest checkpoint, is missing; went on from")


def test_checkpoints_that_are_all_gone_are_missed(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 20)
    shutil.rmtree(folder / "checkpoints")
    run = tw.resume(folder)
    assert run.digest == whole.digest
    assert "checkpoints is gone, and 20 steps with it" in resumed(run)[0]


NETWORK = """
import random, numpy, torch

def build(shape):
    return Noisy(shape)

class Noisy(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layer = torch.nn.Linear(shape.input_shape[0], shape.outputs)

    def forward(self, x):
        return torch.ACTIVATION(self.layer(x)) * (1 + 0.1 * random.random() + 0.1 * numpy.random.rand())
"""


def test_code_of_the_users_own_that_has_changed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisynet.py").write_text(NETWORK.replace("ACTIVATION", "relu"))
    folder = broken_off(tmp_path / "run", 10, **{"model.name": "noisynet:build"})
    (tmp_path / "noisynet.py").write_text(NETWORK.replace("ACTIVATION", "tanh"))
    (said,) = resumed(tw.resume(folder))
    assert said == "continued from step 8, not bit-exact: the code of noisynet.py has changed"


def test_what_a_network_draws_from_python_and_numpy_is_the_same_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisynet.py").write_text(NETWORK.replace("ACTIVATION", "relu"))
    digests = {train(Recipe.of(RECIPE, **{"model.name": "noisynet:build"})).digest for _ in range(2)}
    digests.add(tw.resume(broken_off(tmp_path / "early", 2, **{"model.name": "noisynet:build"})).digest)
    digests.add(tw.resume(broken_off(tmp_path / "late", 10, **{"model.name": "noisynet:build"})).digest)
    assert len(digests) == 1


def test_a_recipe_that_was_removed_is_taken_from_the_run(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    (folder / "recipe.toml").unlink()
    assert tw.resume(folder).digest == whole.digest
    assert (folder / "recipe.toml").is_file()


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        tw.resume(tmp_path)


# --- one writer ---


def test_a_run_has_one_writer_and_the_second_is_told_who(tmp_path: Path) -> None:
    folder = broken_off(tmp_path / "run", 10)
    lock = RunLock(folder)
    with pytest.raises(RunError, match="is being written by another run"):
        tw.resume(folder)
    lock.release()
    assert not (folder / LOCK).exists()


def test_the_lock_of_a_dead_process_is_taken_over_and_that_is_said(tmp_path: Path) -> None:
    folder = broken_off(tmp_path / "run", 10)
    owner = {"pid": 4_000_000, "host": os.uname().nodename, "boot": "another", "began": "1", "time": "long ago"}
    (folder / LOCK).write_text(json.dumps(owner))
    (said,) = resumed(tw.resume(folder))
    assert "taken over from process 4000000" in said


def test_the_lock_of_another_machine_is_respected(tmp_path: Path) -> None:
    folder = broken_off(tmp_path / "run", 10)
    (folder / LOCK).write_text(json.dumps({"pid": 1, "host": "elsewhere", "time": "now"}))
    with pytest.raises(RunError, match="another machine") as caught:
        tw.resume(folder)
    assert str(folder / LOCK) in caught.value.remedy


def test_a_lock_from_before_a_reboot_is_taken_over_even_where_its_process_number_is_in_use(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    owner = json.loads((tmp_path / LOCK).read_text())
    lock.release()
    (tmp_path / LOCK).write_text(json.dumps({**owner, "boot": "another", "time": "2999-01-01 00:00:00"}))
    again = RunLock(tmp_path)
    assert again.taken_over is not None
    assert f"process {os.getpid()}" in again.taken_over
    again.release()


def test_a_torn_lock_file_is_nobodys(tmp_path: Path, whole: tw.Run) -> None:
    folder = broken_off(tmp_path / "run", 10)
    (folder / LOCK).write_text('{"pid": 1')
    assert tw.resume(folder).digest == whole.digest


# --- runs of fit ---


def net(width: int = 6) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 3))


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 4, generator=generator)
    return x, x[:, :3].argmax(1)


class Bomb(nn.CrossEntropyLoss):
    """Ends the program at a call."""

    left = 10**9

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            Bomb.left -= 1
            if Bomb.left < 0:
                raise Ended
        return super().forward(input, target)


FIT: dict[str, Any] = {
    "epochs": 3, "batch_size": 8, "threads": 1, "verify": "off", "checkpoint_every_steps": 2, "lr": 0.01,
}  # fmt: skip


def fit(folder: Path, at: int, monkeypatch: pytest.MonkeyPatch, train: Any = None) -> tw.Run:
    loss = Bomb()
    monkeypatch.setattr(Bomb, "left", 10**9)
    options = {key: value for key, value in FIT.items() if train is None or key != "batch_size"}
    if at:
        real = training.assemble

        def armed(*given: Any, **more: Any) -> Any:
            monkeypatch.setattr(Bomb, "left", at)
            return real(*given, **more)

        monkeypatch.setattr(training, "assemble", armed)
        try:
            with pytest.raises(Ended):
                tw.fit(net(), train or pair(), pair(1), loss=loss, folder=folder, level="off", **options)
        finally:
            monkeypatch.setattr(training, "assemble", real)
            monkeypatch.setattr(Bomb, "left", 10**9)
    else:
        return tw.fit(net(), train or pair(), pair(1), loss=loss, folder=folder, level="off", **options)
    return tw.resume(folder, model=net(), train=train or pair(), validation=pair(1), loss=loss)


def test_a_run_of_fit_goes_on_with_the_same_model_and_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fit(tmp_path / "whole", 0, monkeypatch)
    run = fit(tmp_path / "cut", 8, monkeypatch)
    assert run.digest == expected.digest
    assert resumed(run) == ["resumed from step 8, bit for bit"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_on_a_loader_goes_on_in_the_middle_of_its_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def loader() -> DataLoader[Any]:
        return DataLoader(TensorDataset(*pair()), batch_size=8, shuffle=True, num_workers=workers)

    expected = fit(tmp_path / "whole", 0, monkeypatch, loader())
    assert fit(tmp_path / "cut", 8, monkeypatch, loader()).digest == expected.digest


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "must be given again"),
        ({"model": net(7), "train": pair(), "validation": pair(1)}, "the model is not that of the run"),
        ({"model": net(), "train": pair(5), "validation": pair(1)}, "the data are not those of the run"),
        ({"model": net(), "train": pair()}, "the data are not those of the run"),
    ],
    ids=["nothing", "another model", "other data", "no validation"],
)
def test_a_run_of_fit_refuses_what_it_was_not_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], words: str
) -> None:
    loss = Bomb()
    fit(tmp_path / "run", 0, monkeypatch)
    with pytest.raises((RunError, UsageError), match=words):
        tw.resume(tmp_path / "run", loss=loss, epochs=4, **given)
