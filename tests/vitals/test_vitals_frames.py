from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

import pytest
import torch
from torch import nn

import trainwright
from trainwright.vitals.frames import node_frame, recording_frames, user_frame

TORCH = str(Path(torch.__file__).parent / "nn" / "functional.py")
OURS = str(Path(trainwright.__file__).parent / "training" / "step.py")
INSTALLED = os.path.join(sysconfig.get_path("purelib"), "somenet", "model.py")
USER, OTHER = "/home/user/train.py", "/home/user/net.py"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(USER, 3), (OTHER, 7)], (OTHER, 7)),
        ([(USER, 3), (OTHER, 7), (TORCH, 9), (OURS, 1)], (OTHER, 7)),
        ([(USER, 3), (INSTALLED, 5), (TORCH, 9)], (USER, 3)),
        ([(OURS, 1), (INSTALLED, 5), (TORCH, 9)], (INSTALLED, 5)),
        ([(USER, 3), ("<string>", 1), ("<frozen runpy>", 2)], (USER, 3)),
        ([(TORCH, 1), (OURS, 2), ("<string>", 1)], (None, None)),
        ([(TORCH.replace("torch", "torchlike", 1), 4)], (TORCH.replace("torch", "torchlike", 1), 4)),
        ([], (None, None)),
    ],
)
def test_the_innermost_line_of_the_user_is_found(
    frames: list[tuple[str, int | None]], expected: tuple[str | None, int | None]
) -> None:
    assert user_frame(frames) == expected


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def test_a_node_tells_which_line_made_it_where_frames_were_recorded() -> None:
    x = torch.ones(2, requires_grad=True)
    with recording_frames():
        assert torch.is_anomaly_enabled()
        made = nn.Identity()(double(x))
    file, line = node_frame(made.grad_fn, len(traceback.extract_stack()))
    assert (file, line) == (__file__, double.__code__.co_firstlineno + 1)
    assert node_frame(double(x).grad_fn, 0) == (None, None)


@pytest.mark.parametrize("on", [False, True])
def test_recording_leaves_the_anomaly_mode_as_it_was(on: bool) -> None:
    before = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        torch.autograd.set_detect_anomaly(on)
        state = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
        with pytest.raises(ValueError, match="stop"), recording_frames():
            raise ValueError("stop")
        assert (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()) == state
    finally:
        torch.autograd.set_detect_anomaly(*before)
