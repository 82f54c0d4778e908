"""Told to stop in each phase of the work, at a moment that the test chooses: the status says so, and it goes on."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import torch

from trainwright.runs.reader import read_run

sys.path.append(str(Path(__file__).parent.parent / "hostile"))
from hostile_ask import Answer, ask  # pyright: ignore[reportMissingImports]

OWN = """
import signal
from pathlib import Path
import torch
from torch import nn

ARMED = Path({armed!r})
trained = [0]

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        trained[0] += self.training and torch.is_grad_enabled()
        if ARMED.exists() and ({due}):
            ARMED.unlink()
            signal.raise_signal({number})
        return self.out(torch.relu(self.hidden(x)))

def build():
    torch.manual_seed(5)
    return Net()
"""
RECIPE = """
[data]
source = "iris"
[model]
name = "{module}:build"
[optimizer]
lr = 0.02
[train]
epochs = 2
batch_size = 16
threads = 1
verify = "{verify}"
checkpoint_every_steps = 100
evaluate_every_steps = 4
[tune]
trials = 3
rounds = 1
[tune.space]
"optimizer.lr" = {{ log_uniform = [1e-3, 1e-1] }}
"""
ANY, TRAINING, EVALUATING = "True", "trained[0] > 2", "trained[0] > 2 and not self.training"
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
_made = [0]


class Place:
    """A folder with a recipe for a network of its own, which raises a signal once, when it is armed and due."""

    def __init__(self, folder: Path, due: str, *, number: int = signal.SIGTERM, verify: str = "off") -> None:
        _made[0] += 1
        self.folder, self.armed, module = folder, folder / "armed", f"own_phase_{_made[0]}"
        own = OWN.format(armed=str(self.armed), due=due, number=int(number))
        (folder / f"{module}.py").write_text(own)
        (folder / "recipe.toml").write_text(RECIPE.format(module=module, verify=verify))

    def ask(self, *arguments: object, armed: bool = False) -> Answer:
        if armed:
            self.armed.touch()
        answer = ask(*arguments, cwd=self.folder)
        assert "Traceback" not in answer.err
        return answer


@pytest.mark.parametrize("number", STATUS, ids=["INT", "TERM"])
@pytest.mark.parametrize("due", [TRAINING, EVALUATING], ids=["training", "evaluating"])
def test_a_run_that_is_told_to_stop_comes_to_the_same_end(tmp_path: Path, due: str, number: int) -> None:
    place = Place(tmp_path, due, number=number)
    assert place.ask("train", "recipe.toml", "--folder", "run", armed=True).status == STATUS[signal.Signals(number)]
    assert not place.armed.exists()
    cut = read_run(tmp_path / "run")
    assert cut.outcome is not None
    assert cut.outcome.status == "interrupted"
    assert list((tmp_path / "run" / "checkpoints").glob("state-*"))
    assert place.ask("resume", "run").status in (0, 3)
    assert place.ask("train", "recipe.toml", "--folder", "whole").status in (0, 3)
    assert read_run(tmp_path / "run").digest == read_run(tmp_path / "whole").digest


def test_the_checks_before_a_run_are_left_where_it_is_told_to_stop(tmp_path: Path) -> None:
    place = Place(tmp_path, ANY, verify="quick")
    assert place.ask("train", "recipe.toml", "--folder", "run", armed=True).status == 143
    assert read_run(tmp_path / "run").chart.steps == []
    assert place.ask("resume", "run").status in (0, 3)


@pytest.mark.parametrize("command", ["verify", "find-lr"])
def test_a_command_that_trains_nothing_is_left_where_it_is_told_to_stop(tmp_path: Path, command: str) -> None:
    place = Place(tmp_path, ANY)
    assert place.ask(command, "recipe.toml", armed=True).status == 143
    assert not place.armed.exists()


def test_a_run_that_is_told_to_stop_while_it_compiles_makes_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(model: torch.nn.Module) -> torch.nn.Module:
        if place.armed.exists():
            place.armed.unlink()
            signal.raise_signal(signal.SIGTERM)
        return model

    monkeypatch.setattr(torch, "compile", slow)
    place = Place(tmp_path, "False")
    answer = place.ask("train", "recipe.toml", "--folder", "run", "--set", "train.compile=true", armed=True)
    assert answer.status == 143
    assert not place.armed.exists()
    assert not (tmp_path / "run" / "run.json").exists() or read_run(tmp_path / "run").chart.steps == []


def test_a_search_that_is_told_to_stop_goes_on_with_what_it_had_decided(tmp_path: Path) -> None:
    place = Place(tmp_path, TRAINING)
    answer = place.ask("tune", "recipe.toml", "--folder", "study", armed=True)
    assert answer.status == 143
    assert not place.armed.exists()
    assert (tmp_path / "study" / "study.jsonl").exists()
    assert place.ask("tune", "recipe.toml", "--folder", "study").status in (0, 3)
