"""Programs that lie in no file: the cells of a notebook are the user's own lines, whatever they are called."""

from __future__ import annotations

import linecache
import sys
from types import SimpleNamespace

import pytest

from trainwright.records import Location
from trainwright.report.phrases import place_phrase
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


def test_a_cell_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "/tmp/ipykernel_4711/1234.py"
    compiler = SimpleNamespace(format_code_name=lambda file: ("Cell", "In[2]") if file == name else None)
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert place_phrase(Location(file=name, line=3)) == "cell [2], line 3"
    assert place_phrase(Location(file="train.py", line=3)) == "train.py:3"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert place_phrase(Location(file=name, line=3)).endswith("1234.py:3")


def test_a_watch_that_was_never_entered_says_how_to() -> None:
    watched = watch(quiet=True)
    assert "not watching yet: write `with tw.watch() as watched:`" in watched._repr_mimebundle_()["text/plain"]
    with watched:
        pass
    assert "no training was seen" in watched._repr_mimebundle_()["text/plain"]
