"""The command `verify`: of recipes and of factories, with an exit status that a script can gate on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_answers import QUICK, Ask, process, write

FACTORY = """\
import torch
from torch import nn

def data():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(90) % 3
    x = torch.randn(90, 4, generator=generator) + 2 * nn.functional.one_hot(y, 4)
    order = torch.randperm(90, generator=generator)
    return x[order], y[order]

def sound():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    return {"model": model, "loss": "cross_entropy", "data": data(),
            "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3)}

def sick():
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3), nn.Softmax(1))
    return model, nn.CrossEntropyLoss(), data()

def talking():
    print("hello from the factory")
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    return model, "cross_entropy", data()

def raising():
    raise ValueError("no weights today")

def leaving():
    class Leaving(nn.Linear):
        def forward(self, x):
            raise SystemExit(0)
    return Leaving(4, 3), "cross_entropy", data()

def nothing():
    return None

def alone():
    return nn.Linear(4, 3)

def misspelt():
    return {"modle": nn.Linear(4, 3), "loss": "mse", "data": data()}

def no_module():
    return "net", "mse", data()

def needy(width):
    return None
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "own_setup_to_verify.py", FACTORY)
    return "own_setup_to_verify"


def test_a_sound_recipe_is_ready_with_status_0(ask: Ask, tmp_path: Path) -> None:
    recipe = write(tmp_path / "recipe.toml", QUICK)
    answer = ask("verify", recipe, "--quick")
    assert answer.status == 0, answer.out + answer.err
    assert "ready to train" in answer.out
    assert not (tmp_path / "runs").exists()


def test_the_document_holds_every_check(ask: Ask, tmp_path: Path) -> None:
    answer = ask("verify", write(tmp_path / "recipe.toml", QUICK), "--quick", "--json", "-")
    assert answer.status == 0
    assert answer.document["ok"] is True
    assert len(answer.document["checks"]) > 5


def test_a_factory_is_checked_and_a_fault_is_status_3(ask: Ask, factory: str) -> None:
    assert ask("verify", f"{factory}:sound").status == 0
    sick = ask("verify", f"{factory}:sick", "--json", "-")
    assert sick.status == 3
    assert sick.document["findings"][0]["kind"] == "softmax-before-cross-entropy"
    assert sick.document["findings"][0]["where"].keys() == {"file", "line", "module", "parameter"}


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("raising", 1, "no weights today"),
        ("nothing", 1, "it returned a NoneType"),
        ("alone", 1, "neither loss nor data"),
        ("misspelt", 2, "model"),
        ("no_module", 1, "gave no torch.nn.Module"),
        ("needy", 2, "width"),
        ("sounds", 2, "sound"),
    ],
)
def test_a_factory_that_does_not_deliver_is_told_so(ask: Ask, factory: str, name: str, status: int, words: str) -> None:
    answer = ask("verify", f"{factory}:{name}")
    assert answer.status == status
    assert words in answer.err
    assert "Traceback" not in answer.err


def test_checks_are_chosen_by_name(ask: Ask, factory: str) -> None:
    only = ask("verify", f"{factory}:sound", "--only", "initial-loss,gradients", "--json", "-")
    assert {check["check"] for check in only.document["checks"]} == {"initial-loss", "gradients"}
    without = ask("verify", f"{factory}:sound", "--quick", "--skip", "initial-loss", "--json", "-")
    assert "initial-loss" not in {check["check"] for check in without.document["checks"]}
    wrong = ask("verify", f"{factory}:sound", "--only", "initial-los")
    assert wrong.status == 2
    assert "initial-loss" in wrong.err


def test_a_budget_of_nothing_judges_nothing(ask: Ask, factory: str) -> None:
    answer = ask("verify", f"{factory}:sound", "--budget", "0")
    assert "nothing could be judged" in answer.out
    assert answer.status == 1  # a gate must not open because nobody looked


def test_a_factory_may_talk_and_draws_the_same_numbers_each_time(ask: Ask, factory: str) -> None:
    first, second = (
        [
            {name: value for name, value in check.items() if name != "seconds"}
            for check in ask("verify", f"{factory}:talking", "--quick", "--json", "-").document["checks"]
        ]
        for _ in range(2)
    )
    assert first == second


def test_a_recipe_that_is_not_there_and_settings_for_a_factory_are_refused(ask: Ask, factory: str) -> None:
    assert ask("verify", "nowhere.toml").status == 1
    answer = ask("verify", f"{factory}:sound", "--set", "optimizer.lr=1")
    assert answer.status == 2
    assert "a factory has none" in answer.err


def test_it_works_as_a_process_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "recipe.toml", QUICK)
    answer = process("verify", "recipe.toml", "--quick", cwd=tmp_path)
    assert answer.status == 0
    assert answer.err == ""


def test_a_model_that_leaves_with_status_0_does_not_open_a_gate(ask: Ask, factory: str) -> None:
    for command in ("verify", "gradcheck"):
        answer = ask(command, f"{factory}:leaving", "--json", "-")
        assert answer.status == 1
        assert "SystemExit: 0" in answer.document["error"]["evidence"]


def test_an_empty_choice_of_checks_is_refused(ask: Ask, factory: str) -> None:
    answer = ask("verify", f"{factory}:sound", "--only", "")
    assert answer.status == 2
    assert "no check is left to run" in answer.err


def test_a_place_where_no_file_can_be_made_is_refused_before_the_checks(ask: Ask, factory: str) -> None:
    answer = ask("verify", f"{factory}:raising", "--json", "/proc/nowhere/answer.json")
    assert answer.status == 1
    assert "cannot be written" in answer.err
