"""Programs that lie in no file: the cells of a notebook are the user's own lines, whatever they are called."""

from __future__ import annotations

import linecache

import pytest

from trainwright.report.text import render_finding
from trainwright.vitals.frames import standing
from trainwright.watching.watch import watch

CELL = """\
import torch
from torch.nn import functional as F
torch.manual_seed(0)
model = torch.nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 4), torch.randint(0, 3, (64,))
for step in range(6):
    loss = F.cross_entropy(model(x).softmax(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize("name", ["<ipython-input-3-0ab1c2>", "/tmp/ipykernel_4711/1234.py", "<python-input-7>"])
def test_a_finding_points_into_the_cell_and_shows_its_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(linecache.cache, name, (len(CELL), None, CELL.splitlines(keepends=True), name))
    with watch(quiet=True) as watched:
        exec(compile(CELL, name, "exec"), {})
    finding = watched.findings[0]
    assert finding.kind == "softmax-before-cross-entropy"
    assert (finding.where.file, finding.where.line) == (name, 8)
    assert "loss = F.cross_entropy(model(x).softmax(1), y)" in render_finding(finding, color=False)


def test_what_a_program_has_written_is_nobodys_line() -> None:
    for name in ("<string>", "<frozen importlib._bootstrap>", "<eval_with_key>.0", "<__array_function__ internals>"):
        assert standing(name) == 2
