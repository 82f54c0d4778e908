"""All simulations by name: those that the guides name in the order of the guides, then those that they imply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from trainwright.lab.schema import Result, Simulation
from trainwright.lab.simulations import (
    adagrad,
    adam_or_sgd,
    backpropagation,
    batch_noise,
    checklist,
    clipping,
    contour,
    dropout,
    early_stopping,
    ensembles,
    four_pieces,
    gradient_check,
    grid_random,
    half_precision,
    initial_loss,
    initialisation,
    landscape,
    learning_rate,
    loss_curves,
    loss_functions,
    lottery,
    normalisation,
    quiz,
    race,
    rate_finder,
    recipe,
    saddle,
    scalar_descent,
    schedules,
    training_loop,
    weight_decay,
)
from trainwright.lab.undisturbed import undisturbed
from trainwright.lab.values import resolve
from trainwright.parts import catalogue

CATALOGUE: Mapping[str, Simulation] = MappingProxyType(
    {
        simulation.name: replace(simulation, run=undisturbed(simulation.run))
        for simulation in (
            training_loop.SIMULATION,
            four_pieces.SIMULATION,
            landscape.SIMULATION,
            lottery.SIMULATION,
            gradient_check.SIMULATION,
            initial_loss.SIMULATION,
            checklist.SIMULATION,
            loss_curves.SIMULATION,
            learning_rate.SIMULATION,
            rate_finder.SIMULATION,
            contour.SIMULATION,
            schedules.SIMULATION,
            race.SIMULATION,
            grid_random.SIMULATION,
            recipe.SIMULATION,
            quiz.SIMULATION,
            initialisation.SIMULATION,
            normalisation.SIMULATION,
            clipping.SIMULATION,
            half_precision.SIMULATION,
            batch_noise.SIMULATION,
            saddle.SIMULATION,
            loss_functions.SIMULATION,
            weight_decay.SIMULATION,
            dropout.SIMULATION,
            early_stopping.SIMULATION,
            ensembles.SIMULATION,
            adagrad.SIMULATION,
            scalar_descent.SIMULATION,
            backpropagation.SIMULATION,
            adam_or_sgd.SIMULATION,
        )
    }
)
"""Name -> simulation."""


def find(name: str) -> Simulation:
    """Return the simulation called `name`; raises `UsageError` with the nearest name."""
    return catalogue.find(CATALOGUE, name, "simulation")


def simulate(name: str, given: Mapping[str, Any] | None = None) -> Result:
    """Run a simulation at `given` values, the rest at their defaults; raises `UsageError` for what is not legal."""
    simulation = find(name)
    return simulation.run(resolve(simulation, given or {}))
