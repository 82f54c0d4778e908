"""Optimizers: torch's own classes where torch has one, and the guides' numbers for defaults.

How many samples stand behind a gradient (batch, stochastic and mini-batch descent) is the batch size, not an optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainwright.parts.optimizer_adaptive import ADAFACTOR, ADAGRAD, ADAM, ADAMW, NADAM, RADAM, RMSPROP
from trainwright.parts.optimizer_lbfgs import LBFGS_SPEC
from trainwright.parts.optimizer_lion import LION
from trainwright.parts.optimizer_momentum import momentum_of, set_momentum
from trainwright.parts.optimizer_muon import MUON
from trainwright.parts.optimizer_schedule_free import SCHEDULE_FREE, SCHEDULE_FREE_SGD, averaged, has_average
from trainwright.parts.optimizer_sgd import CLASSICAL_MOMENTUM, MOMENTUM, NESTEROV, SGD
from trainwright.records import OptimizerSpec

__all__ = ["CATALOGUE", "averaged", "has_average", "momentum_of", "set_momentum"]

CATALOGUE: Mapping[str, OptimizerSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            SGD,
            MOMENTUM,
            NESTEROV,
            CLASSICAL_MOMENTUM,
            ADAGRAD,
            RMSPROP,
            ADAM,
            ADAMW,
            NADAM,
            RADAM,
            ADAFACTOR,
            LION,
            MUON,
            LBFGS_SPEC,
            SCHEDULE_FREE,
            SCHEDULE_FREE_SGD,
        )
    }
)
