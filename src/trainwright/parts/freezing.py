"""What is frozen, and until when: weights, the statistics and the mode of their modules, by the names of parts.

A part is frozen by a rate of 0 (`optimizer.rates`), by its name in `train.freeze`, or until a fraction of the run by
`train.unfreeze`; all three mean the same while they hold. Its weights get no gradient, and no optimizer can move them.
Its modules stay in evaluation mode: batch normalisation then keeps its statistics, and dropout is off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from trainwright.errors import ModelError, UsageError
from trainwright.parts.head_and_body import with_nicknames
from trainwright.parts.optimizer_layers import layers_of
from trainwright.parts.optimizer_rates import deciding_patterns, matches, unknown
from trainwright.parts.optimizer_roles import roles_of

FOREVER = math.inf
GRADUAL_SHARE = 0.5
"""Fraction of the run over which `unfreeze = "gradual"` frees the layers, so that all of them learn for half of it.
Howard and Ruder 2018 free one layer an epoch, from the last, and then train on until the validation loss rises."""

Unfreeze = Literal["gradual"] | Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Freezing:
    """Until which fraction of the run each frozen parameter, and each module held in evaluation mode, is frozen.

    `FOREVER` where it never learns. Names are those of `named_parameters` and `named_modules`. `gradients` says of each
    of these parameters whether it took gradients before.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    modules: Mapping[str, float] = field(default_factory=dict)
    gradients: Mapping[str, bool] = field(default_factory=dict)

    @property
    def always(self) -> frozenset[str]:
        """The parameters that never learn."""
        return frozenset(name for name, until in self.parameters.items() if until == FOREVER)

    @property
    def times(self) -> tuple[float, ...]:
        """The fractions of the run at which something begins to learn, in order."""
        return tuple(sorted({until for until in self.parameters.values() if until < FOREVER}))

    def __bool__(self) -> bool:
        return bool(self.parameters or self.modules)


def freezing_of(
    model: nn.Module,
    *,
    rates: Mapping[str, float] | None = None,
    freeze: Sequence[str] = (),
    unfreeze: Unfreeze | None = None,
) -> Freezing:
    """Return what is frozen of `model`; nothing is changed.

    Patterns are those of `optimizer.rates`, but one of `freeze` may also name modules without parameters: a dropout,
    or a batch normalisation without scales. `unfreeze` maps patterns to fractions of the run from 0 on, and takes its
    parts out of `freeze`; of several that cover a part the last decides. "gradual" frees layer after layer, the last
    one first, which learns from the beginning.

    Raises `UsageError` on a pattern that covers nothing, with the nearest name, and on a fraction outside [0, 1);
    `ModelError` where nothing at all would learn in the beginning.
    """
    rates, unfreeze = rates or {}, unfreeze or {}
    roles = roles_of(model)
    parameters = with_nicknames(model, {name: role.names for name, role in roles.items()})
    modules = with_nicknames(model, {name: (name,) for name, _ in model.named_modules() if name})
    everything = [*parameters.values(), *modules.values()]
    later = unfreeze if isinstance(unfreeze, Mapping) else {}
    for pattern in (*freeze, *later):
        if not any(matches(pattern, name) for names in everything for name in names):
            raise unknown(pattern, parameters.values())
    for pattern, fraction in later.items():
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 <= fraction < 1:
            raise UsageError(
                f"'{pattern}' must be freed at a fraction of the run, from 0 to less than 1",
                evidence=f"it is {fraction!r}",
                remedy="0.2 lets it learn after a fifth of the run; what never learns belongs in train.freeze",
            )
    deciding = deciding_patterns(parameters, rates)
    by_rate = {name for name, pattern in deciding.items() if rates[pattern] == 0}
    until = {name: _until(names, freeze, later) for name, names in parameters.items()}
    clash = next((name for name in by_rate if 0 < until[name] < FOREVER), None)
    if clash is not None:
        raise UsageError(
            f"'{clash}' is to be freed, and has a rate of 0",
            evidence=f"optimizer.rates has {deciding[clash]!r} = 0",
            remedy="leave it out of optimizer.rates, or give it the multiple at which it is to learn",
        )
    until |= dict.fromkeys(by_rate, FOREVER)
    if unfreeze == "gradual":
        until |= _gradual(model, until)
    until = {name: fraction for name, fraction in until.items() if fraction > 0}
    named = dict(model.named_parameters())
    learning = [name for name, parameter in named.items() if name not in until and parameter.requires_grad]
    if until and not learning and min(until.values()) < FOREVER:
        raise ModelError(
            "everything is frozen when the run begins, so that its first steps would train nothing",
            evidence=f"the first part is freed after {min(until.values()):.0%} of the run",
            remedy="leave at least the head out of train.unfreeze",
        )
    held = _held(model, until, modules, {name for name, pattern in rates.items() if pattern == 0}, freeze, later)
    return Freezing(parameters=until, modules=held, gradients={name: named[name].requires_grad for name in until})


def _until(names: Sequence[str], freeze: Sequence[str], later: Mapping[str, float]) -> float:
    """Return until when what has these names is frozen, 0 where it is not."""
    covering = [fraction for pattern, fraction in later.items() if any(matches(pattern, name) for name in names)]
    if covering:
        return float(covering[-1])
    return FOREVER if any(matches(pattern, name) for pattern in freeze for name in names) else 0.0


def _gradual(model: nn.Module, until: Mapping[str, float]) -> dict[str, float]:
    """Return until when each parameter is frozen where the layers are freed in turn, from the last to the first."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    layers = [[names[id(parameter)] for parameter in layer] for layer in layers_of(model)]
    free = [layer for layer in layers if any(until[name] == 0 for name in layer)]
    shares = {
        name: GRADUAL_SHARE * place / max(1, len(free) - 1)
        for place, layer in enumerate(reversed(free))
        for name in layer
    }
    return {name: share for name, share in shares.items() if until[name] == 0}


def _held(
    model: nn.Module,
    until: Mapping[str, float],
    modules: Mapping[str, Sequence[str]],
    zero: set[str],
    freeze: Sequence[str],
    later: Mapping[str, float],
) -> dict[str, float]:
    """Return until when each module is held in evaluation mode, those that are not held left out.

    One with parameters, below it too, is held while all of them are frozen. One without is held with the part that it
    lies in, or where a pattern covers it.
    """
    own = {id(parameter): name for name, parameter in model.named_parameters()}
    held: dict[str, float] = {}
    for path, module in model.named_modules():
        if not path:
            continue
        names = [own[id(parameter)] for parameter in module.parameters()]
        if names:
            fractions = [until.get(name, 0.0) for name in names]
            found = min(fractions)
        else:
            above = [held[part] for part in _above(path) if part in held]
            freed = any(matches(pattern, name) for pattern in later for name in modules[path])
            found = _until(modules[path], [*freeze, *zero], later)
            found = found if freed else max([found, *above[-1:]])
        if found > 0:
            held[path] = found
    return held


def _above(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[:length]) for length in range(1, len(steps))]
