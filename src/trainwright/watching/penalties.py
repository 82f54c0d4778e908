"""Penalties without a gradient: a part of the loss that no graph leads to, and that follows the weights exactly.

What is propagated, less the library's loss in it, is that part. Where over several steps it stays the same multiple of
a norm of the weights, while both change, it was computed from them: from `.data`, `.item()` or under `no_grad`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.vitals.output_graph import name_of
from trainwright.watching.places import Place, making_line

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

ROUNDING = 1e-6
"""Share of the propagated loss that its part is known to, as a difference of two float32 numbers."""
MOVED = 300.0
"""Times that rounding by which the part must have changed before equal multiples mean anything."""
_LOOKS = 4  # that agree, all that there are
_KEPT = 24
_MOST = 200  # parameter tensors, beyond which nothing is compared
_SUMS = ("absolute values", "squares", "mean absolute values", "mean squares", "norms")


@dataclass(eq=False, slots=True)
class _Look:
    """One step: the part, how exactly it is known, and sums over sets of weights."""

    part: float
    error: float
    sums: dict[tuple[str, str], float] = field(default_factory=dict)


class PenaltyBooks:
    """Compares what is propagated with the loss that was computed, in the steps that are looked at."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._made: list[tuple[Any, torch.Tensor]] = []  # node and value of the losses of this step
        self._looks: list[_Look] = []
        self._place: Place | None = None
        self._done = False

    def computed(self, result: Any) -> None:
        """A loss of the library was computed to learn from."""
        if isinstance(result, torch.Tensor) and result.dim() == 0 and result.grad_fn is not None and not self._done:
            self._made = [*self._made[-7:], (result.grad_fn, result.detach().clone())]

    def backward_begins(self, loss: torch.Tensor, roots: Iterable[nn.Module]) -> None:
        """What is propagated is there."""
        made, self._made = self._made, []
        if self._done or not made or loss.dim() != 0 or loss.grad_fn is None:
            return
        node, last = _live(loss.grad_fn)
        value = next((value for known, value in made if known is node), None)
        if value is None:
            return
        if last is None and loss.grad_fn is node and self._looks == [] and self._tape.sightings.step > 0:
            self._done = True  # nothing is added to it
            return
        parameters = {name: part for root in roots for name, part in root.named_parameters() if part.requires_grad}
        if not parameters or len(parameters) > _MOST:
            self._done = True
            return
        if self._place is None and last is not None:
            self._place = making_line(last)
        sums = _sums({name: part.detach() for name, part in parameters.items()})

        def take(numbers: list[float]) -> None:
            total, own, *found = numbers
            if len(self._looks) < _KEPT and total != own:
                look = _Look(total - own, ROUNDING * max(abs(total), abs(own)), dict(zip(sums, found, strict=True)))
                self._looks.append(look)
                self._compare()

        self._tape.steps.delayed.read([loss.detach(), value, *sums.values()], take)

    def forget(self) -> None:
        """The step is over."""
        self._made = []

    def _compare(self) -> None:
        looks = self._looks
        error = max(look.error for look in looks)
        parts = [look.part for look in looks]
        if len(looks) < _LOOKS or max(parts) - min(parts) < MOVED * error:
            return
        for key in looks[0].sums:
            if not looks[0].sums[key] > 0:
                continue
            multiple = looks[0].part / looks[0].sums[key]
            # The multiple is known to the first part's error, which grows with the sum.
            if all(
                abs(look.part - multiple * look.sums.get(key, 0.0)) <= error * (1 + look.sums[key] / looks[0].sums[key])
                for look in looks
                if key in look.sums
            ):
                self._done = True
                facts = {"part": looks[0].part, "sum": key[0], "of": key[1], "multiple": multiple}
                self._tape.sightings.note("penalty-without-gradient", self._place, facts, count=len(looks))
                return


def _live(node: Any) -> tuple[Any, Any]:
    """Follow sums from `node` to the only part that has a graph; return it, and the innermost sum (None without)."""
    last = None
    while name_of(node) in ("Add", "Sub"):
        ways = [earlier for earlier, _ in node.next_functions]
        living = [way for way in ways if way is not None]
        if len(living) != 1:
            break
        node, last = living[0], node
    return node, last


def _sums(weights: dict[str, torch.Tensor]) -> dict[tuple[str, str], torch.Tensor]:
    """Return sums over each set of weights that a penalty is usually taken over, by what is summed and of what."""
    rows = {
        name: torch.stack([w.abs().sum(), w.square().sum(), w.abs().mean(), w.square().mean(), w.norm()]).double()
        for name, w in weights.items()
    }
    found: dict[tuple[str, str], torch.Tensor] = {}
    for of, names in _sets(weights):
        together = torch.stack([rows[name] for name in names]).sum(0)
        for place, what in enumerate(_SUMS):
            found.setdefault((what, of), together[place])
        found[("the norm", of)] = together[1].sqrt()
    return found


def _sets(weights: dict[str, torch.Tensor]) -> Iterator[tuple[str, list[str]]]:
    yield "all parameters", list(weights)
    for kind, chosen in (
        ("all weight matrices", [name for name, weight in weights.items() if weight.dim() > 1]),
        ("all that are called weight", [name for name in weights if name.endswith("weight")]),
    ):
        if chosen:
            yield kind, chosen
    for child in dict.fromkeys(name.partition(".")[0] for name in weights):
        inside = [name for name in weights if name.partition(".")[0] == child]
        yield child, inside
        yield f"the matrices of {child}", [name for name in inside if weights[name].dim() > 1] or inside
    for name in weights:
        yield name, [name]
