"""What stands between `trainwright run` and the program: how the order travels, and what is kept out of sight."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import torch
from torch import nn

from trainwright.doctor.silence import Silence, ignored_on_line
from trainwright.errors import UsageError
from trainwright.records import Location
from trainwright.watching import launch, telling
from trainwright.watching.disguise import hide_calls, own_frames
from trainwright.watching.watch import Watch


def test_an_order_leaves_no_trace_in_the_new_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/startup:/own")
    monkeypatch.setenv(launch.ORDER, "program=a=b c.py\x1fPYTHONPATH=/own\x1fjson=")
    monkeypatch.setattr(sys, "path", ["/startup", "/own"])
    assert launch.take_order("/startup") == {"program": "a=b c.py", "json": ""}
    assert (os.environ["PYTHONPATH"], sys.path) == ("/own", ["/own"])
    assert launch.take_order("/startup") is None


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["python", "-m", "trainwright", "run", "s.py"], []),
        (["python", "-u", "-X", "dev", "-mtrainwright", "run", "s.py"], ["-u", "-X", "dev"]),
        (["python", "-W", "error", "-um", "trainwright", "run", "s.py"], ["-W", "error", "-u"]),
        (["python", "-B", "/bin/trainwright", "run", "s.py"], ["-B"]),
    ],
)
def test_options_of_the_interpreter_are_passed_on(
    words: list[str], options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "orig_argv", words)
    monkeypatch.setattr(sys, "argv", ["trainwright", "run", "s.py"])
    assert launch._interpreter_options(own=True) == options


def test_a_comment_silences_the_codes_that_it_names_and_no_others(tmp_path: Path) -> None:
    lines = [
        "a  # trainwright: ignore[TW103]",
        "b  # trainwright:ignore[dead-relu, TW301]",
        "c  # trainwright: ignore",
        "d",
    ]
    file = tmp_path / "s.py"
    file.write_text("\n".join(lines))
    silent = [
        [ignored_on_line(Location(file=str(file), line=line), code, kind) for line in range(1, 6)]
        for code, kind in (("TW301", "softmax-before-cross-entropy"), ("TW401", "dead-relu"), ("TW103", "x"))
    ]
    assert silent == [
        [False, True, True, False, False],
        [False, True, True, False, False],
        [True, False, True, False, False],
    ]


def test_a_code_that_does_not_exist_cannot_be_ignored() -> None:
    with pytest.raises(UsageError, match="TW999"):
        Silence(["TW999"])


def _failing(model: nn.Module) -> TracebackType:
    with pytest.raises(RuntimeError) as caught:
        model(torch.zeros(2, 9))
    return caught.tb


def _shown(trace: TracebackType | None) -> list[str]:
    return traceback.format_tb(trace)


def test_a_traceback_through_watched_modules_is_the_one_without_a_watcher() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    plain = _failing(model)
    with Watch():
        watched = _failing(model)
    assert _shown(watched) != _shown(plain)
    assert _shown(own_frames(watched)) == _shown(own_frames(plain)) == _shown(plain)


def test_hooks_of_the_program_itself_stay_in_its_tracebacks() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    for part in model.modules():
        part.register_forward_hook(lambda *_: None)
    plain = _failing(model)
    with Watch():
        watched = _failing(model)
    assert _shown(own_frames(watched)) == _shown(plain)


class _Maker:
    def told(self, original: Any) -> Any:
        def around(*arguments: Any) -> Any:
            return original(*arguments)

        return around


def test_a_warning_looks_past_a_call_that_is_hidden() -> None:
    def warn() -> None:
        warnings.warn("told", UserWarning, stacklevel=2)

    hide_calls(_Maker)
    with pytest.warns(UserWarning, match="told") as seen:
        _Maker().told(warn)()
    assert seen[0].filename == __file__


def test_replacements_that_are_hidden_still_work() -> None:
    before = torch.Tensor.backward
    codes = {name: value.__code__ for name, value in vars(telling.Teller).items() if hasattr(value, "__code__")}
    hide_calls(telling.Teller)
    try:
        with Watch() as watched:
            model = nn.Linear(2, 2)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            nn.functional.mse_loss(model(torch.ones(3, 2)), torch.zeros(3, 2)).backward()
            optimizer.step()
    finally:
        for name, code in codes.items():
            vars(telling.Teller)[name].__code__ = code
    assert watched.problem is None
    loop = watched.chart.info.loop
    assert loop is not None
    assert (loop.steps, loop.step_where.file) == (1, __file__)
    assert torch.Tensor.backward is before
