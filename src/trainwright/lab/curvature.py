"""How curved the loss is: its sharpness, and the rate above which plain gradient descent cannot settle there.

On a quadratic whose largest curvature is h, gradient descent contracts for rates below 2 / h and grows above it; with
heavy-ball momentum m, rate outside the velocity, below 2 (1 + m) / h (Polyak 1964; Goh 2017). On a network the loss is
one only nearby, and training may hover at the limit (Cohen and others 2021).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.errors import RunError
from trainwright.lab.kept import kept_weights
from trainwright.lab.slices import LARGEST, SAMPLES, rebuilt
from trainwright.randomness import generator, isolated
from trainwright.runs.reader import read_run

ITERATIONS = 40
"""Power iterations: the largest curvature of a small network is then known to a few per cent."""
MOST = 4
"""Places along a run that are measured: each takes as long as some hundred steps on the samples."""
LONGEST = 25.0
"""Seconds after which no further place is begun."""


def sharpness(loss: Callable[[], Tensor], weights: Sequence[Tensor], seed: int) -> float:
    """Return the largest curvature of `loss()` over all directions of `weights`, by power iteration on products.

    Power iteration finds the curvature of largest size; where that is negative, as at a saddle, it is moved out of the
    way and the largest is found beside it.
    """
    slopes = torch.autograd.grad(loss(), list(weights), create_graph=True, allow_unused=True, materialize_grads=True)
    flat = torch.cat([each.reshape(-1) for each in slopes])
    found = _iterated(flat, weights, seed, 0.0)
    return found if found >= 0 else _iterated(flat, weights, seed, found) + found


def _iterated(flat: Tensor, weights: Sequence[Tensor], seed: int, less: float) -> float:
    """Return the curvature of largest size, of which `less` is taken away."""
    draws = generator(seed, "sharpness")
    direction = torch.randn(len(flat), generator=draws).to(flat)
    found = 0.0
    if not flat.requires_grad:  # a loss that is linear in the weights has no curvature
        return found
    for _ in range(ITERATIONS):
        direction = direction / direction.norm().clamp(min=1e-30)
        parts = torch.autograd.grad(
            flat @ direction, list(weights), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        turned = torch.cat([each.reshape(-1) for each in parts]).detach() - less * direction
        found = float(turned @ direction)
        direction = turned
    return found


def curvature_of(folder: str) -> dict[str, Any]:
    """Return the sharpness at the untrained weights of a run and at those that it kept, as plain values.

    `places` hold `name`, `step`, `sharpness` and `limit`, the rate that plain gradient descent can have there (None
    where the loss curves nowhere upwards); `factor` is how much more momentum allows; `bound` says whether the run's
    optimizer has this limit at all. Raises `RunError` where the run cannot be rebuilt, or is too large.
    """
    place = Path(folder)
    stored = read_run(place, curves=False)
    setup = rebuilt(place, stored.recipe)
    model = setup.model
    count = sum(each.numel() for each in model.parameters())
    if count > LARGEST:
        raise RunError(
            "the model is too large for its curvature to be measured here",
            evidence=f"{count:,} weights, and at most {LARGEST:,} are measured",
            remedy="measure a smaller model of the same kind",
        )
    x, y = setup.splits["train"].take(SAMPLES)
    kept = [each for each in kept_weights(place) if _fits(model, each.weights)]
    chosen = kept[-MOST + 1 :]
    places, began = [], time.monotonic()
    with isolated(0), torch.enable_grad():
        model.eval()
        places.append(_measured("untrained", 0, model, lambda: setup.evaluation_loss(model(x), y)))
        for each in reversed(chosen):  # where time runs out, the newest are there
            if time.monotonic() - began > LONGEST:
                break
            model.load_state_dict(dict(each.weights))
            places.append(_measured(each.name, each.step, model, lambda: setup.evaluation_loss(model(x), y)))
    momentum = stored.info.setting("optimizer.momentum", 0.0)
    name = stored.info.optimizer
    heavy = isinstance(momentum, int | float) and name == "sgd" and 0 < momentum < 1
    nesterov = bool(stored.info.setting("optimizer.nesterov", False))
    return {
        "places": sorted(places, key=lambda each: each["step"]),
        "left_out": len(kept) + 1 - len(places),
        "factor": (1 + momentum) / (1 + 2 * momentum * nesterov) if heavy else 1.0,
        "bound": name in ("sgd", "momentum", "nesterov"),
        "optimizer": name,
        "samples": len(x),
        "dimensions": count,
    }


def _measured(name: str, step: int, model: nn.Module, loss: Callable[[], Tensor]) -> dict[str, Any]:
    weights = [each for each in model.parameters() if each.requires_grad]
    found = sharpness(loss, weights, 0)
    return {"name": name, "step": step, "sharpness": found, "limit": 2 / found if found > 0 else None}


def _fits(model: nn.Module, weights: Any) -> bool:
    own = model.state_dict()
    return own.keys() == weights.keys() and all(weights[name].shape == value.shape for name, value in own.items())
