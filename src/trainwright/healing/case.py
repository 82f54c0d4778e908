"""One finding with all that its patch is made from: the run's facts and the parsed files of the program."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from trainwright.healing.code import calls, method, name_of, receiver
from trainwright.healing.source import Edit, Source, Unclear
from trainwright.records import Chart, Finding, Location, LoopFacts
from trainwright.records.findings import Scalar

Read = Callable[[str], bytes]

"""Gives the content of a file; raises `OSError` where it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Edits of one file, and in words what they do. `loss_factor`: what they make of the loss by definition alone.

    It is None where the loss afterwards is another quantity, which cannot be compared with the one before.
    """

    source: Source
    edits: tuple[Edit, ...]
    text: str
    loss_factor: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A finding to be mended."""

    finding: Finding
    chart: Chart
    read: Read
    _sources: dict[str, Source] = field(default_factory=dict)

    @property
    def loop(self) -> LoopFacts:
        """What was seen of the loop."""
        return self.chart.info.loop or LoopFacts()

    def source(self, where: Location) -> Source:
        """Return the parsed file of a place. Raises `Unclear` where there is none to edit."""
        if where.file is None:
            raise Unclear("it is not known in which file")
        if where.file not in self._sources:
            try:
                content = self.read(where.file)
            except OSError as problem:
                raise Unclear(f"{where.file} cannot be read ({problem.strerror or problem})") from None
            self._sources[where.file] = Source(where.file, content)
        return self._sources[where.file]

    def at(self, where: Location) -> tuple[Source, ast.stmt]:
        """Return the statement of a place, and its file."""
        source = self.source(where)
        return source, source.statement(where.line)

    def here(self) -> tuple[Source, ast.stmt]:
        """Return the statement that the finding points to, and its file."""
        return self.at(self.finding.where)

    def evidence(self, words: str) -> Scalar | None:
        """Return the value of the evidence whose name begins with `words`."""
        return next((one.value for one in self.finding.evidence if one.name.startswith(words)), None)

    def number(self, words: str) -> float:
        """Return such evidence as a number. Raises `Unclear` where it is none."""
        value = self.evidence(words)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unclear(f"the number of '{words}' is not known")
        return value

    def step(self, source: Source) -> tuple[ast.stmt, str]:
        """Return the statement that steps the optimizer, in `source`, and how the optimizer is written there."""
        where = self.loop.step_where
        if len(self.loop.optimizers) > 1:
            raise Unclear("there are several optimizers")
        if where.file != source.path:
            raise Unclear("the optimizer is stepped in another file")
        statement = source.statement(where.line)
        call = next((call for call in calls(statement) if method(call) == "step"), None)
        if call is None:
            raise Unclear("the line that steps the optimizer does not name it")
        return statement, source.text(call.args[0] if _by_scaler(call) else receiver(call))

    def backward(self, source: Source) -> tuple[ast.stmt, ast.Call]:
        """Return the statement and the call of the backward pass, in `source`."""
        where = self.loop.backward_where
        if where.file != source.path:
            raise Unclear("the backward pass is in another file")
        statement = source.statement(where.line)
        call = next((call for call in calls(statement) if method(call) == "backward"), None)
        if call is None:
            raise Unclear("the line of the backward pass does not call backward()")
        return statement, call

    def loss(self, source: Source) -> tuple[ast.stmt, ast.expr]:
        """Return the statement of the backward pass, in `source`, and the loss whose backward() it calls."""
        statement, call = self.backward(source)
        if call.args:
            raise Unclear("the loss is handed over to backward()")
        return statement, receiver(call)

    def optimizer(self) -> tuple[Source, ast.stmt, ast.Call]:
        """Return the file, the statement and the call that make the run's only optimizer."""
        made = self.loop.optimizers
        if len(made) != 1:
            raise Unclear("there are several optimizers" if made else "no optimizer was seen")
        source, statement = self.at(made[0].where)
        found = [call for call in calls(statement) if name_of(call.func).split(".")[-1] == made[0].name]
        if len(found) != 1:
            raise Unclear("the line that makes the optimizer does not name its class")
        return source, statement, found[0]

    def model(self, source: Source) -> str:
        """Return how the model is written: the one name that is called and whose parameters, or modes, are used."""
        called, used = set[str](), set[str]()
        for call in calls(source.tree):
            called.add(name_of(call.func))
            if method(call) in ("parameters", "named_parameters", "train", "eval", "state_dict", "load_state_dict"):
                used.add(name_of(receiver(call)))
        names = {name for name in called & used if name and name != "self"}
        if len(names) != 1:
            raise Unclear(f"the model is not known by one name ({', '.join(sorted(names)) or 'none was found'})")
        return names.pop()


def _by_scaler(call: ast.Call) -> bool:
    """Say whether it is `scaler.step(optimizer)`: optimizers take at most a closure."""
    return len(call.args) == 1 and "scaler" in name_of(receiver(call)).lower()
