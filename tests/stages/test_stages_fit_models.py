"""What fit says of a model that does not fit its loss or its data."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from stages_nets import cases, classes, net
from torch import nn
from torch.nn import functional as F

import trainwright as tw
from trainwright.errors import ModelError
from trainwright.tensors import copy_state, digest


def line_here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# --- the model ---


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (net(inputs=7), r"shape \(2, 5\)[\s\S]*2x5 and 7x16"),
        (net().double(), r"type torch.float32[\s\S]*dtype"),
        (net, "model must be a torch.nn.Module"),
        (nn.Linear, "model must be a torch.nn.Module"),
        (nn.Sequential(nn.Linear(5, 3), nn.Flatten(0)), "a row for each sample"),
        (nn.Identity(), "no trainable parameter"),
        (net().requires_grad_(False), "no trainable parameter"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_shapes(model: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        tw.fit(model, classes(), epochs=1)


def test_too_few_outputs_are_a_finding_and_nothing_is_trained(tmp_path: Path) -> None:
    model = net(outputs=2)
    before = digest(copy_state(model))
    run = tw.fit(model, classes(), epochs=1, folder=tmp_path / "run")
    assert run.outcome.status == "stopped"
    assert "not started" in run.outcome.reason
    assert [finding.code for finding in run.findings] == ["TW201"]
    assert run.folder is None
    assert not (tmp_path / "run").exists()
    assert digest(copy_state(model)) == before


@pytest.mark.parametrize("outputs", [2, 4])
def test_as_many_outputs_as_values_are_needed(outputs: int) -> None:
    with pytest.raises(ModelError, match=r"same shape[\s\S]*3\)"):
        tw.fit(net(outputs=outputs), cases(), epochs=1)


class Softened(nn.Module):
    """Ends in a softmax, as a beginner writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.inner(x), dim=1)


def test_a_softmax_before_the_loss_is_found_in_its_file_and_line() -> None:
    run = tw.fit(Softened(), classes(), epochs=2)
    found = next(finding for finding in run.findings if finding.code == "TW301")
    assert found.severity == "error"
    assert found.where.file == __file__
    assert found.where.line is not None
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert "F.softmax(self.inner(x), dim=1)" in source[found.where.line - 1]
    layered = tw.fit(nn.Sequential(net(), nn.Softmax(1)), classes(), epochs=2)
    place = next(finding.where for finding in layered.findings if finding.code == "TW301")
    assert (place.file, place.module) == (__file__, "1")


def test_a_rate_that_is_too_high_is_found_at_the_line_that_asked() -> None:
    line = line_here() + 1
    run = tw.fit(net(), cases(), optimizer="sgd", lr=1e6, clip_norm=0, epochs=30)
    found = next(finding for finding in run.findings if finding.code == "TW601")
    assert run.outcome.status == "diverged"
    assert (found.where.file, found.where.line) == (__file__, line)
