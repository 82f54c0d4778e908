"""The catalogue of checks, in the order in which they run: what is cheap, and what explains others, first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainwright.checks import (
    baselines,
    configuration,
    duplicates,
    gradients,
    initial_loss,
    initial_signal,
    input_matters,
    inputs_sane,
    labels_sane,
    learning_rate,
    loss_fits,
    modes,
    no_future,
    order,
    overlap,
    parameters,
    penalty,
    preprocessing,
    readable,
    reads_alike,
    registration,
    samples_apart,
    targets_finite,
    tiny_batch,
    updates,
    workers,
)
from trainwright.checks.check import Check

CATALOGUE: Mapping[str, Check] = MappingProxyType(
    {
        module.CHECK.name: module.CHECK
        for module in (
            loss_fits,
            readable,
            inputs_sane,
            targets_finite,
            labels_sane,
            duplicates,
            order,
            overlap,
            preprocessing,
            reads_alike,
            modes,
            registration,
            parameters,
            updates,
            input_matters,
            samples_apart,
            no_future,
            initial_loss,
            initial_signal,
            penalty,
            configuration,
            learning_rate,
            baselines,
            gradients,
            tiny_batch,
            workers,
        )
    }
)
"""Name -> check."""
