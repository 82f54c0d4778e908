"""A step by hand that binds a name anew, told from those that write into the weights or mean a new tensor."""

from __future__ import annotations

from pathlib import Path

import pytest

import trainwright as tw
from trainwright.watching.rebound import rebound_line

LOOP = """
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 4)
y = (x[:, 0] > 0).long()
net = nn.Linear(4, 2)
for _ in range(48):
    net.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    for p in net.parameters():
        STEP
"""
SICK = "p = p - 0.1 * p.grad"
HEALTHY = [
    "p.data -= 0.1 * p.grad",
    "p = p.data.sub_(0.1 * p.grad)",
    "p.data.copy_(p - 0.1 * p.grad)",
    "with torch.no_grad(): p -= 0.1 * p.grad",
]
MEANT = [
    "w = w - 0.1 * w.grad\nw = w.detach().requires_grad_()",
    "w = (w - 0.1 * w.grad).detach().requires_grad_()",
    "w = w - 0.1 * w.grad\nw.retain_grad()",
    "w = w - 0.1 * gradient",
    "fast = w - 0.1 * w.grad",
    "with torch.no_grad():\n    w = w - 0.1 * w.grad",
    "@torch.no_grad()\ndef step(w):\n    w = w - 0.1 * w.grad\n    return w",
]


def _codes(tmp_path: Path, step: str) -> list[tuple[str, int | None]]:
    program = tmp_path / "program.py"
    program.write_text(LOOP.replace("STEP", step))
    with tw.watch(quiet=True) as watch:
        exec(compile(program.read_text(), str(program), "exec"), {"__name__": "__main__"})
    return [(finding.code, finding.where.line) for finding in watch.findings]


def test_a_name_bound_anew_in_place_of_a_step_is_named_on_its_line(tmp_path: Path) -> None:
    assert _codes(tmp_path, SICK)[0] == ("TW517", LOOP.splitlines().index("        STEP") + 1)


@pytest.mark.parametrize("step", HEALTHY)
def test_a_step_that_writes_into_the_weights_is_not_accused(tmp_path: Path, step: str) -> None:
    assert "TW517" not in [code for code, _ in _codes(tmp_path, step)]


@pytest.mark.parametrize("text", MEANT)
def test_what_is_made_a_leaf_again_or_is_meant_as_new_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "program.py").write_text(text + "\n")
    assert rebound_line((str(tmp_path / "program.py"), 1), inside=False) is None
