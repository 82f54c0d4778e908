"""Programs as text, and findings about them as a watched run would have made them, without a run."""

from __future__ import annotations

from typing import Any

from trainwright.doctor.kinds import find_kind
from trainwright.healing.patch import NoPatch, SourcePatch, patch_for
from trainwright.records import (
    Chart,
    Evidence,
    Finding,
    GroupFacts,
    Location,
    LoopFacts,
    OptimizerFacts,
    OutputFacts,
    Remedy,
    RunInfo,
    Setting,
)
from trainwright.records.loss_call import LossCall, LossInput

FILE = "/home/someone/train.py"

LOOP = """\
import torch
from torch import nn
import torch.nn.functional as F

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
"""


def line_of(text: str, words: str) -> int:
    """Return the number of the only line that holds `words`."""
    lines = [number for number, line in enumerate(text.splitlines(), 1) if words in line]
    assert len(lines) == 1, f"{words!r} is on {len(lines)} lines"
    return lines[0]


def at(text: str, words: str) -> Location:
    """Return the place of the only line that holds `words`, nowhere where there is none."""
    return Location(file=FILE, line=line_of(text, words)) if words in text else Location()


def mended(kind: str, text: str, here: str, **facts: Any) -> SourcePatch | NoPatch:
    """Return what is proposed for a finding on the line that holds `here`."""
    evidence = tuple(Evidence(name=name, value=value) for name, value in facts.pop("evidence", {}).items())
    remedies = tuple(Remedy(text="", change=change) for change in facts.pop("changes", ()))
    finding: Finding = find_kind(kind).finding(where=at(text, here), evidence=evidence, remedies=remedies)
    return patch_for(finding, chart_of(text, **facts), lambda file: facts.get("content", text.encode()))


def chart_of(
    text: str,
    *,
    optimizer: str = "SGD",
    made: str = "optimizer = ",
    step: str = "optimizer.step()",
    backward: str = ".backward()",
    loss: str = "",
    enters: str = "",
    operation: str = "",
    settings: dict[str, Any] | None = None,
    content: bytes | None = None,
    **loop: Any,
) -> Chart:
    """Return the chart of a program, as far as a patch reads it."""
    group = GroupFacts(parameters=4, elements=67, rate=0.1)
    facts = LoopFacts(
        steps=30,
        backward_where=at(text, backward),
        step_where=at(text, step),
        optimizers=(OptimizerFacts(name=optimizer, where=at(text, made), groups=(group,)),),
        **loop,
    )
    call = LossCall(
        function=loss,
        where=at(text, f"{loss}(") if loss else Location(),
        input=LossInput(operation=operation, where=at(text, enters) if enters else Location()),
    )
    values = {name: Setting(value=value) for name, value in (settings or {}).items()}
    output = OutputFacts(shape=(), operation=operation, calls=(call,)) if operation else None
    return Chart(info=RunInfo(loop=facts, settings=values, output=output))


def changes(patch: SourcePatch | NoPatch) -> list[str]:
    """Return the lines that a patch takes out and puts in; fails where it is none."""
    assert isinstance(patch, SourcePatch), patch
    return [line for line in patch.diff("train.py")[2:] if line[0] in "+-"]


def reason(patch: SourcePatch | NoPatch) -> str:
    """Return why there is no patch; fails where there is one."""
    assert isinstance(patch, NoPatch), patch
    return patch.reason
