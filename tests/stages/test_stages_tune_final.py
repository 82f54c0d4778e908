"""The final run of a study: of its best, under seeds that are fresh, redone where what it was said of has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import UsageError
from trainwright.search.lock import held
from trainwright.search.owner import this_process


def blobs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    return torch.randn(count, 6, generator=generator) + y[:, None], y


def net(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))


def fixed() -> nn.Module:
    torch.manual_seed(3)
    return net()


TRAIN, VALIDATION, TEST = blobs(96, 0), blobs(60, 1), blobs(40, 2)
SETTINGS: dict[str, Any] = {"epochs": 3, "batch_size": 32, "verify": "off"}
ASKED: dict[str, Any] = {"trials": 3, "rounds": 1, "prune": False, **SETTINGS}
LOW, HIGH = {"lr": tw.log_uniform(1e-4, 1e-3)}, {"lr": tw.log_uniform(1e-2, 1e-1)}


def kept_loss(seed: int, **values: Any) -> tuple[float, nn.Module]:
    run = tw.fit(fixed(), TRAIN, VALIDATION, seed=seed, **SETTINGS, **values)
    return run.outcome.best["validation"]["loss"], run.model


def test_fresh_seeds_are_those_of_runs_alone_order_of_the_batches_and_all() -> None:
    study = tw.tune(fixed, TRAIN, VALIDATION, space=HIGH, final=2, **ASKED)
    told, run = study.confirmation, study.final
    assert told is not None
    assert run is not None
    alone = [kept_loss(seed, **told.values) for seed in told.seeds]
    assert told.fresh_scores == pytest.approx([loss for loss, _ in alone], rel=1e-4)
    assert told.default_scores == pytest.approx([kept_loss(seed)[0] for seed in told.seeds], rel=1e-4)
    assert told.fresh_scores[0] != pytest.approx(told.fresh_scores[1], rel=1e-4)
    assert torch.equal(run.model(TEST[0]), alone[0][1](TEST[0]))
    assert run.outcome.best["validation"]["loss"] == pytest.approx(told.fresh_scores[0], rel=1e-4)


def test_a_new_best_is_trained_anew_and_what_stood_there_is_kept(tmp_path: Path) -> None:
    tw.tune(net, TRAIN, VALIDATION, space=LOW, final=1, folder=tmp_path, **ASKED)
    before = json.loads((tmp_path / "final.json").read_text())
    study = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **{**ASKED, "trials": 6})
    assert study.best is not None
    assert study.confirmation is not None
    assert study.final is not None
    assert float(study.best.parameters["lr"]) >= 1e-2
    assert study.confirmation.values == study.best.parameters
    assert study.final.history.info.setting("optimizer.lr") == study.best.parameters["lr"]
    assert json.loads((tmp_path / "final-001.json").read_text()) == before
    assert (tmp_path / "final-001" / "run.json").is_file()
    assert sum("final-001" in note for note in study.notes) == 2


def test_further_seeds_are_added_and_those_that_count_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    digest = first.final and first.final.digest
    again = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=3, folder=tmp_path, **ASKED)
    assert first.confirmation is not None
    assert again.confirmation is not None
    assert again.confirmation.fresh_scores[:1] == first.confirmation.fresh_scores
    assert len(set(again.confirmation.fresh_scores)) == len(again.confirmation.default_scores) == 3
    assert again.final is not None
    assert again.final.digest == digest
    assert any("added 2 fresh seeds to the 1" in note for note in again.notes)
    monkeypatch.setattr("trainwright.stages.final._scores", None)  # nothing is left to train
    fewer = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=2, folder=tmp_path, **ASKED)
    assert fewer.confirmation is not None
    assert fewer.confirmation.fresh_scores == again.confirmation.fresh_scores[:2]


def test_test_data_that_come_later_are_tested_on(tmp_path: Path) -> None:
    first = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    again = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, test=TEST, **ASKED)
    assert first.confirmation is not None
    assert again.confirmation is not None
    assert first.confirmation.test_scores == ()
    assert len(again.confirmation.test_scores) == 1
    assert again.confirmation.fresh_scores == pytest.approx(first.confirmation.fresh_scores, rel=1e-4)
    assert any("the test data" in note for note in again.notes)


@pytest.mark.parametrize("left", ["nothing", "a recipe", "half a run", "an interrupted run", "thesis"])
def test_a_final_run_that_was_broken_off_comes_to_the_same_end(tmp_path: Path, left: str) -> None:
    whole = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    folder = tmp_path / "final"
    head = json.loads((folder / "run.json").read_text())
    if left == "half a run":
        head.pop("outcome")
    elif left == "an interrupted run":
        head["outcome"]["status"] = "interrupted"
    else:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        if left == "a recipe":
            (folder / "tmp-run.json-1-1234abcd").write_text("{")
            (folder / "recipe.toml").write_text("")
        elif left == "thesis":
            (folder / "thesis.txt").write_text("unsaved")
    if left.endswith("run"):
        (folder / "run.json").write_text(json.dumps(head))
    again = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    assert again.final is not None
    assert whole.final is not None
    assert again.final.digest == whole.final.digest
    assert (tmp_path / "final-001" / "thesis.txt").is_file() == (left == "thesis")


def test_a_confirmation_that_cannot_be_read_is_made_again(tmp_path: Path) -> None:
    first = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    (tmp_path / "final.json").write_text('{"values": {"lr": 0.0')
    again = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, **ASKED)
    assert first.confirmation is not None
    assert again.confirmation is not None
    assert again.confirmation.fresh_scores == pytest.approx(first.confirmation.fresh_scores, rel=1e-4)
    assert any("could not be read" in note for note in again.notes)


def test_one_process_does_the_final_run_and_the_others_say_whom_they_wait_for(tmp_path: Path) -> None:
    tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=0, folder=tmp_path, **ASKED)
    text = (
        "import sys, time; from pathlib import Path; from trainwright.search.lock import held\n"
        "from trainwright.search.owner import this_process\n"
        "with held(Path(sys.argv[1]), this_process()): print('held', flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", text, str(tmp_path / "study.final.lock"), "1"]
    other = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert other.stdout is not None
    other.stdout.readline()
    told: list[str] = []
    study = tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=1, folder=tmp_path, say=told.append, **ASKED)
    other.communicate()
    assert study.final is not None
    assert any(f"waiting for process {other.pid}" in line for line in told)


def test_a_lock_is_given_up_with_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with held(tmp_path / "lock", this_process(), waiting=lambda who: pytest.fail(who)) as orphaned:
            assert orphaned == ""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"train": blobs(96, 9)}, "the train data"),
        ({"factory": lambda: net(3)}, "the factory: <lambda>, not net"),
        ({"loss": "focal"}, "loss.name: focal, not the default"),
        ({"optimizer": "sgd"}, "optimizer.name: sgd, not the default"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "label_smoothing = 0.1"),
        ({"score": "error"}, "the score: error, not loss"),
        ({"epochs": 5}, "9 steps in a trial, not 15"),
    ],
    ids=["data", "factory", "loss", "optimizer", "loss-object", "score", "budget"],
)
def test_a_folder_takes_no_other_problem(tmp_path_factory: pytest.TempPathFactory, other: Any, words: str) -> None:
    folder = begun(tmp_path_factory)
    given = {"factory": net, "train": TRAIN, **ASKED, **other}
    before = (folder / "study.jsonl").read_bytes()
    with pytest.raises(UsageError) as caught:
        tw.tune(given.pop("factory"), given.pop("train"), VALIDATION, space=HIGH, final=0, folder=folder, **given)
    assert words in str(caught.value)
    assert (folder / "study.jsonl").read_bytes() == before


_BEGUN: list[Path] = []


def begun(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one study that all of these tests try to go on with."""
    if not _BEGUN:
        _BEGUN.append(factory.mktemp("study"))
        tw.tune(net, TRAIN, VALIDATION, space=HIGH, final=0, folder=_BEGUN[0], **ASKED)
    return _BEGUN[0]
