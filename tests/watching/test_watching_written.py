"""Lines that no event tells: read from the source around what ran, and said only where the text leaves no doubt."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.records import Finding
from trainwright.watching.watch import Watch
from trainwright.watching.written import filling_line, freezing_line, keeping_line, losing_line

NAME = "/nowhere/train.py"


@pytest.fixture
def text() -> Iterator[list[str]]:
    """Lines that are put where Python finds the source of a file."""
    lines: list[str] = []
    linecache.cache[NAME] = (1, None, lines, NAME)
    yield lines
    del linecache.cache[NAME]


def put(lines: list[str], body: str) -> int:
    """Write a loop body behind a loop's head; return the line that calls backward."""
    lines[:] = ["for x, y in loader:\n", *textwrap.indent(textwrap.dedent(body), "    ").splitlines(keepends=True)]
    return next(number for number, line in enumerate(lines, 1) if "backward(" in line)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("total += loss", True),
        ("total = total + loss", True),
        ("total += loss * len(x)", True),
        ("average = 0.9 * average + 0.1 * loss", True),
        ("history.append(loss)", True),
        ("history.append((step, loss))", True),
        ("history[step] = loss", True),
        ("meter.update(loss, len(x))", True),
        ("total += loss.item()", False),
        ("total += float(loss)", False),
        ("history.append(loss.detach())", False),
        ("history.append(loss.data)", False),
        ("loss = loss + penalty", False),
        ("print(loss)", False),
    ],
)
def test_the_line_that_puts_a_loss_aside_is_found(text: list[str], line: str, kept: bool) -> None:
    number = put(text, f"loss = criterion(model(x), y)\nloss.backward()\noptimizer.step()\n{line}\n")
    assert keeping_line((NAME, number)) == ((NAME, 5) if kept else None)


def test_of_two_lines_that_may_keep_it_none_is_said(text: list[str]) -> None:
    number = put(text, "loss = criterion(model(x), y)\nloss.backward()\na.append(loss)\nb.append(loss)\n")
    assert keeping_line((NAME, number)) is None


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("out = model(x)\nloss = criterion(out.detach(), y)\nloss.backward()\n", 3),
        ("out = model(x).detach()\nloss = criterion(out, y)\nloss.backward()\n", 2),
        ("loss = criterion(model(x), y)\nloss = torch.tensor(loss.item())\nloss.backward()\n", 3),
        ("value = criterion(model(x), y).item()\nloss = torch.tensor(value, requires_grad=True)\nloss.backward()\n", 3),
        ("out = model(x)\nout = out.data\nloss = criterion(out, y)\nscaler.scale(loss).backward()\n", 3),
        ("loss = criterion(model(x), y)\nloss.backward()\n", None),
        ("loss = criterion(model(x), y)\nloss.backward()\ntotal = loss.item()\n", None),
    ],
)
def test_the_line_that_cut_the_loss_off_is_found(text: list[str], body: str, line: int | None) -> None:
    number = put(text, body)
    assert losing_line((NAME, number)) == (None if line is None else (NAME, line))


def test_one_line_that_freezes_or_fills_is_found_and_of_two_none(text: list[str]) -> None:
    text[:] = ["for p in model.body.parameters():\n", "    p.requires_grad = False\n", "nn.init.zeros_(layer.bias)\n"]
    assert freezing_line((NAME, 3)) == (NAME, 2)
    assert filling_line((NAME, 3)) is None
    text += ["model.head.requires_grad_(False)\n", "layer.weight.data.zero_()\n", "p.grad.zero_()\n"]
    assert freezing_line((NAME, 3)) is None
    assert filling_line((NAME, 3)) == (NAME, 5)


def test_source_that_cannot_be_read_says_nothing(text: list[str]) -> None:
    text[:] = ["for x in (:\n"]
    for search in (keeping_line, losing_line, freezing_line, filling_line):
        assert search((NAME, 1)) is None
        assert search(("/nowhere/at/all.py", 1)) is None
        assert search(None) is None


def named(watched: Watch) -> dict[str, Finding]:
    assert watched.problem is None
    return {finding.kind: finding for finding in watched.findings}


def shown(finding: Finding) -> str:
    assert finding.where.file is not None
    assert finding.where.line is not None
    return linecache.getline(finding.where.file, finding.where.line).strip()


def test_a_loop_that_keeps_its_losses_is_sent_to_the_line_that_does() -> None:
    kept: list[torch.Tensor] = []

    def step(model, optimizer, x, y, index) -> None:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kept.append(loss)

    assert shown(named(loops.run(step, steps=60))["graph-kept-alive"]) == "kept.append(loss)"


def test_a_loss_that_is_cut_off_is_sent_to_the_cut() -> None:
    def step(model, optimizer, x, y, index) -> None:
        out = model(x).detach().requires_grad_()
        loss = F.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert shown(named(loops.run(step))["loss-detached"]) == "out = model(x).detach().requires_grad_()"


def trained(model: nn.Module) -> Watch:
    return loops.run(loops.healthy, model=model, steps=60)


def layers(*widths: int) -> nn.Sequential:
    torch.manual_seed(0)
    parts = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


class TestWeightsThatAreAllAlike:
    @pytest.mark.parametrize("value", [0.0, 0.1])
    def test_a_model_of_constant_weights_and_random_biases_is_named_for_its_initialisation(self, value: float) -> None:
        model = layers(20, 32, 3)
        for part in model.parameters():
            if part.dim() > 1:
                part.data.fill_(value)
        findings = named(trained(model))
        assert [*findings] == ["symmetric-initialisation"]
        assert findings["symmetric-initialisation"].severity == "error"

    def test_a_zero_head_a_linear_model_and_closed_branches_are_meant(self) -> None:
        head = layers(20, 32, 3)
        nn.init.zeros_(next(head[2].parameters()))
        linear = nn.Linear(20, 3)
        nn.init.zeros_(linear.weight)
        closed = layers(20, 32, 32, 32, 3)
        for index in (4, 6):
            nn.init.zeros_(next(closed[index].parameters()))
        assert "symmetric-initialisation" not in {*named(trained(head)), *named(trained(linear))}
        watched = trained(closed)
        loop = watched.chart.info.loop
        assert loop is not None
        assert loop.seen("weights-constant-at-start") is None
