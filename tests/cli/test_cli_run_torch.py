"""Programs that use torch: the same numbers and the same words as under python, and a report beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_answers import Answer, strict_json, write
from cli_twins import ran, twins

MODEL = """
import os, sys
assert "torch" not in sys.modules
os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"] = "2", ""
import torch
import torch.nn.functional as F
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 4), torch.randint(0, 3, (64,))
def train(steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return loss
"""

CALM = """
import functools, traceback
from torch.utils.data import DataLoader, TensorDataset
def attempt(work):
    try:
        work()
    except Exception as problem:
        traceback.print_exc()
        return problem
shapes = attempt(lambda: model(torch.randn(64, 7)))
print(torch.get_num_threads(), sys.excepthook is sys.__excepthook__, len(sys.meta_path))
original, calls = torch.Tensor.backward, []
def mine(self, *arguments, **named):
    calls.append(1)
    return original(self, *arguments, **named)
torch.Tensor.backward = mine
def around(function):
    @functools.wraps(function)
    def wrapped(*arguments, **named):
        calls.append(2)
        return function(*arguments, **named)
    return wrapped
F.cross_entropy = around(F.cross_entropy)
print(train(3).item(), calls, F.cross_entropy.__name__, F.cross_entropy.__module__)
torch.Tensor.backward = original
scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(model.parameters(), lr=0.1), 2)
scheduler.step()
scheduler.step(epoch=3)
F.mse_loss(torch.zeros(3, 1), torch.zeros(3))
F.kl_div(torch.zeros(3, 2), torch.ones(3, 2))
for a, b in DataLoader(TensorDataset(x, y), batch_size=16, num_workers=2, shuffle=True):
    optimizer.zero_grad()
    F.cross_entropy(model(a), b).backward()
    optimizer.step()
print([parameter.detach().double().sum().item() for parameter in model.parameters()], torch.rand(2), calls)
"""

FAILING = """
import logging, threading
loss = F.cross_entropy(model(x), y)
loss.backward()
attempt(loss.backward)
try:
    F.cross_entropy(model(x), y[:3])
except ValueError:
    logging.exception("logged")
thread = threading.Thread(target=lambda: F.cross_entropy(model(x), y[:3]), name="Second")
thread.start()
thread.join()
def last():
    try:
        F.cross_entropy(model(x), y[:3])
    except ValueError as problem:
        raise ExceptionGroup("all of them", [shapes, problem]) from problem
old = sys.excepthook
def mine(*problem):
    print("mine", flush=True)
    old(*problem)
sys.excepthook = mine
last()
"""

SICK = (
    MODEL
    + """
import atexit
atexit.register(print, "at exit")
print("begins")
for step in range(4):
    optimizer.zero_grad()
    probabilities = torch.softmax(model(x), dim=1)
    loss = F.cross_entropy(probabilities, y)
    loss.backward()
    optimizer.step()
print("has ended")
"""
)
LINE = SICK.splitlines().index("    loss = F.cross_entropy(probabilities, y)") + 1


def test_numbers_warnings_patches_and_tracebacks_are_those_of_python(tmp_path: Path) -> None:
    plain, watched = twins(tmp_path, ["s.py"], {"s.py": MODEL + CALM + FAILING})
    assert watched == plain
    assert plain.status == 1
    assert plain.err.count("UserWarning") == 4
    assert "trainwright" not in plain.err


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    folder = tmp_path_factory.mktemp("sick")
    write(folder / "s.py", SICK)
    return folder, ran(folder, ["s.py"], doctor=["--strict", "--github", "--json", "a/b.json", "--sarif", "c.sarif"])


def test_a_finding_is_shown_once_in_full_and_named_at_the_end(sick: tuple[Path, Answer]) -> None:
    _, done = sick
    assert done.out == "begins\nhas ended\nat exit\n"
    full, summary = done.err.split("trainwright: 4 steps seen (SGD)\n")
    assert full.count(f"s.py:{LINE}") == 1
    assert "^^^" in full
    assert summary.startswith(f"  error[TW301]: softmax is applied before cross_entropy (s.py:{LINE}, at step 0)\n")
    assert "faults looked for and not found" in summary
    assert "▲ 1 error\n" in summary


def test_strict_leaves_with_status_3(sick: tuple[Path, Answer]) -> None:
    assert sick[1].status == 3


def test_every_file_that_was_asked_for_tells_the_same(sick: tuple[Path, Answer]) -> None:
    folder, done = sick
    document = strict_json((folder / "a" / "b.json").read_text())
    sarif = strict_json((folder / "c.sarif").read_text())
    assert [(each["code"], each["where"]["line"]) for each in document["findings"]] == [("TW301", LINE)]
    assert (document["ended"], document["steps"]) == ("finished", 4)
    [result] = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], place["artifactLocation"]["uri"], place["region"]) == (
        "TW301",
        "s.py",
        {"startLine": LINE},
    )
    assert f"\n::error file=s.py,line={LINE},title=TW301 softmax is applied before cross_entropy::" in done.err


SWALLOWS = SICK.replace(
    "(probabilities, y)\n    loss.backward()",
    "(probabilities, y)\n    try:\n        loss.backward()\n    except BaseException:\n        pass",
)


@pytest.mark.parametrize(
    "program", [SICK, pytest.param(SWALLOWS, marks=pytest.mark.slow)], ids=["plain", "which catches everything"]
)
def test_stop_on_error_ends_the_program_with_status_3(program: str, tmp_path: Path) -> None:
    write(tmp_path / "s.py", program)
    done = ran(tmp_path, ["s.py"], doctor=["--stop-on", "error", "--json", "-"])
    assert done.status == 3
    assert "stopped at TW301, because of --stop-on error" in done.err
    assert json.loads(done.out.splitlines()[-1])["ended"] == "stopped"
    assert ("has ended" in done.out) is (program is SWALLOWS)
    assert "at exit" in done.out


def test_what_is_ignored_on_a_line_or_by_an_option_is_neither_said_nor_counted(tmp_path: Path) -> None:
    never_zeroed = SICK.replace("range(4):\n    optimizer.zero_grad()", "range(4):")
    assert never_zeroed != SICK
    write(
        tmp_path / "s.py",
        never_zeroed.replace("(probabilities, y)", "(probabilities, y)  # trainwright: ignore[TW301]"),
    )
    done = ran(tmp_path, ["s.py"], doctor=["--strict", "--ignore", "TW302,missing-zero-grad"])
    assert done.status == 0
    assert "error[" not in done.err
    assert "✓ no findings" in done.err


def test_what_was_found_is_kept_though_the_process_is_killed(tmp_path: Path) -> None:
    write(tmp_path / "s.py", SICK.replace('print("has ended")', "import signal\nos.kill(os.getpid(), signal.SIGTERM)"))
    done = ran(tmp_path, ["s.py"], doctor=["--json", "report.json"])
    document = json.loads((tmp_path / "report.json").read_text())
    assert done.status == -15
    assert "error[TW301]" in done.err
    assert ([finding["code"] for finding in document["findings"]], document["ended"]) == (["TW301"], "not yet")


def test_a_program_that_never_trains_is_called_neither_sick_nor_healthy(tmp_path: Path) -> None:
    write(tmp_path / "s.py", "import torch\nprint(torch.ones(2).sum().item())\n")
    done = ran(tmp_path, ["s.py"], doctor=["--strict"])
    assert (done.status, done.out) == (0, "2.0\n")
    assert "no training was seen" in done.err
    assert "● nothing to judge" in done.err


def test_of_processes_that_train_together_one_speaks_and_each_leaves_its_own_file(tmp_path: Path) -> None:
    write(tmp_path / "s.py", SICK)
    done = ran(tmp_path, ["s.py"], doctor=["--json", "report.json", "--github"], RANK="1", WORLD_SIZE="2")
    assert not (tmp_path / "report.json").exists()
    found = strict_json((tmp_path / "report.rank1.json").read_text())["findings"]
    told = [line for line in done.err.splitlines() if line.startswith("trainwright")]
    assert len(told) == len(found) > 0
    assert f"trainwright, rank 1: {found[0]['severity']}[{found[0]['code']}]" in told[0]
    assert "-->" not in done.err
    assert "::error" not in done.err
