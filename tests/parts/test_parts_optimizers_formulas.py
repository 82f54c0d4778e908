"""Every optimizer against a second implementation in numpy and float64, written from the guides or its paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.parts.optimizers import CATALOGUE

Array = np.ndarray
Gradient = Callable[[Array], Array]
Twin = Callable[..., Iterator[Array]]


def sgd(w: Array, gradient: Gradient, *, lr: float, weight_decay: float) -> Iterator[Array]:
    while True:
        w = w - lr * (gradient(w) + weight_decay * w)
        yield w


def momentum(w: Array, gradient: Gradient, *, lr: float, weight_decay: float, momentum: float) -> Iterator[Array]:
    v = np.zeros_like(w)
    while True:
        v = momentum * v + gradient(w) + weight_decay * w
        w = w - lr * v
        yield w


def nesterov(w: Array, gradient: Gradient, *, lr: float, weight_decay: float, momentum: float) -> Iterator[Array]:
    """G2, chapter 5: v <- mu v - eta g(w + mu v); w <- w + v. What the parameters hold is the point looked ahead to."""
    v = np.zeros_like(w)
    while True:
        ahead = w + momentum * v
        v = momentum * v - lr * (gradient(ahead) + weight_decay * ahead)
        w = w + v
        yield w + momentum * v


def classical_momentum(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, momentum: float
) -> Iterator[Array]:
    v = np.zeros_like(w)
    while True:
        v = momentum * v - lr * (gradient(w) + weight_decay * w)
        w = w + v
        yield w


def adagrad(w: Array, gradient: Gradient, *, lr: float, weight_decay: float, epsilon: float) -> Iterator[Array]:
    total = np.zeros_like(w)
    while True:
        g = gradient(w) + weight_decay * w
        total = total + g**2
        w = w - lr * g / (np.sqrt(total) + epsilon)
        yield w


def rmsprop(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, decay: float, epsilon: float
) -> Iterator[Array]:
    mean = np.zeros_like(w)
    while True:
        g = gradient(w) + weight_decay * w
        mean = decay * mean + (1 - decay) * g**2
        w = w - lr * g / (np.sqrt(mean) + epsilon)
        yield w


def adam_like(
    w: Array,
    gradient: Gradient,
    *,
    lr: float,
    inside: float,
    beside: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Iterator[Array]:
    """Adam, with the decay `inside` the gradient, `beside` it, or both."""
    m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    while True:
        g = gradient(w) + inside * w
        t += 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        w = w - lr * beside * w - lr * m_hat / (np.sqrt(v_hat) + epsilon)
        yield w


def adam(w: Array, gradient: Gradient, *, weight_decay: float, **numbers: float) -> Iterator[Array]:
    return adam_like(w, gradient, inside=weight_decay, beside=0.0, **numbers)


def adamw(w: Array, gradient: Gradient, *, weight_decay: float, **numbers: float) -> Iterator[Array]:
    return adam_like(w, gradient, inside=0.0, beside=weight_decay, **numbers)


def nadam(
    w: Array,
    gradient: Gradient,
    *,
    lr: float,
    weight_decay: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    momentum_decay: float,
) -> Iterator[Array]:
    """Dozat 2016, algorithm 2, with the warmup of mu that it recommends."""
    m, v, t, product = np.zeros_like(w), np.zeros_like(w), 0, 1.0
    while True:
        g = gradient(w)
        t += 1
        now, later = (beta1 * (1 - 0.5 * 0.96 ** (place * momentum_decay)) for place in (t, t + 1))
        product *= now
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_bar = later * m / (1 - product * later) + (1 - now) * g / (1 - product)
        w = w - lr * weight_decay * w - lr * m_bar / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        yield w


def radam(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> Iterator[Array]:
    """Liu et al. 2020, algorithm 2; the paper divides by sqrt(v), epsilon is added to it before it is corrected."""
    m, v, t, most = np.zeros_like(w), np.zeros_like(w), 0, 2 / (1 - beta2) - 1
    while True:
        g = gradient(w)
        t += 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        update = m / (1 - beta1**t)
        length = most - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            rectified = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            update = update * math.sqrt(rectified) * math.sqrt(1 - beta2**t) / (np.sqrt(v) + epsilon)
        w = w - lr * weight_decay * w - lr * update
        yield w


def adafactor(
    w: Array,
    gradient: Gradient,
    *,
    lr: float,
    weight_decay: float,
    decay_exponent: float,
    clip: float,
    least_scale: float,
) -> Iterator[Array]:
    """Shazeer and Stern 2018, algorithms 4 and 5; the decay beside the gradient, and `lr` the largest relative step."""

    def size(values: Array) -> float:
        return math.sqrt(np.mean(values**2))

    rows, columns, whole, t = np.zeros(w.shape[:1]), np.zeros(w.shape[-1:]), np.zeros_like(w), 0
    while True:
        g = gradient(w)
        t += 1
        beta2 = 1 - t**-decay_exponent
        if w.ndim == 2:
            rows = beta2 * rows + (1 - beta2) * (g**2).sum(1)
            columns = beta2 * columns + (1 - beta2) * (g**2).sum(0)
            estimate = np.outer(rows, columns) / rows.sum()
        else:
            estimate = whole = beta2 * whole + (1 - beta2) * g**2
        update = g / np.sqrt(estimate)
        update = update / max(1.0, size(update) / clip)
        step = max(least_scale, size(w)) * min(lr, 1 / math.sqrt(t))
        w = w - lr * weight_decay * w - step * update
        yield w


def lion(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, beta1: float, beta2: float
) -> Iterator[Array]:
    m = np.zeros_like(w)
    while True:
        g = gradient(w)
        w = w - lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)
        m = beta2 * m + (1 - beta2) * g
        yield w


def newton_schulz(matrix: Array, iterations: int) -> Array:
    x = matrix / np.linalg.norm(matrix)
    for _ in range(iterations):
        product = x @ x.T
        x = 3.4445 * x + (-4.7750 * product + 2.0315 * product @ product) @ x
    return x


def muon(
    w: Array,
    gradient: Gradient,
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    iterations: int,
    **numbers: float,
) -> Iterator[Array]:
    """Jordan et al. 2024, with the length of AdamW's step (Liu et al. 2025); what is no matrix goes by AdamW."""
    if w.ndim != 2:
        yield from adamw(w, gradient, lr=lr, weight_decay=weight_decay, **numbers)
    m = np.zeros_like(w)
    while True:
        g = gradient(w)
        m = momentum * m + (1 - momentum) * g
        direction = newton_schulz((1 - momentum) * g + momentum * m, iterations)
        w = w - lr * weight_decay * w - lr * 0.2 * math.sqrt(max(w.shape)) * direction
        yield w


def schedule_free(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, beta1: float, beta2: float, epsilon: float
) -> Iterator[Array]:
    """Defazio et al. 2024, algorithm 1; yields y, where the gradient is taken and what the parameters hold."""
    x, z, v, t = w, w, np.zeros_like(w), 0
    while True:
        y = (1 - beta1) * z + beta1 * x
        g = gradient(y)
        t += 1
        v = beta2 * v + (1 - beta2) * g**2
        z = z - lr * (g / (np.sqrt(v / (1 - beta2**t)) + epsilon) + weight_decay * y)
        x = (1 - 1 / t) * x + z / t
        yield (1 - beta1) * z + beta1 * x


def schedule_free_sgd(
    w: Array, gradient: Gradient, *, lr: float, weight_decay: float, momentum: float
) -> Iterator[Array]:
    x, z, t = w, w, 0
    while True:
        y = (1 - momentum) * z + momentum * x
        t += 1
        z = z - lr * (gradient(y) + weight_decay * y)
        x = (1 - 1 / t) * x + z / t
        yield (1 - momentum) * z + momentum * x


TWINS: dict[str, Twin] = {
    twin.__name__: twin
    for twin in (
        sgd,
        momentum,
        nesterov,
        classical_momentum,
        adagrad,
        rmsprop,
        adam,
        adamw,
        nadam,
        radam,
        adafactor,
        lion,
        muon,
        schedule_free,
        schedule_free_sgd,
    )
}
VECTOR = np.array([1.5, -2.0, 0.3, 4.0])
MATRIX = np.array([[1.5, -2.0, 0.3], [4.0, 1.0, -0.5]])
CURVATURE = {1: np.array([3.0, 1.0, 0.5, 0.1]), 2: np.array([[3.0, 1.0, 0.5], [0.1, 2.0, 0.7]])}
STARTS = [pytest.param(VECTOR, id="vector"), pytest.param(MATRIX, id="matrix")]


def defaults_of(name: str) -> dict[str, Any]:
    return {option: record.default for option, record in CATALOGUE[name].options.items()}


def walk(name: str, start: Array, noise: Array, **changes: float) -> list[Array]:
    """Return the weights after each step on a noisy quadratic, as the catalogue's optimizer finds them in float64."""
    torch.set_default_dtype(torch.float64)  # or the counters that torch keeps beside the weights would be float32
    try:
        weight = nn.Parameter(torch.tensor(start))
        options = defaults_of(name) | changes
        optimizer = CATALOGUE[name].factory([{"params": [weight], "weight_decay": options["weight_decay"]}], **options)
        path = []
        for errors in noise:
            weight.grad = torch.tensor(CURVATURE[start.ndim] * weight.detach().numpy() + errors)
            optimizer.step()
            path.append(weight.detach().numpy().copy())
    finally:
        torch.set_default_dtype(torch.float32)
    return path


def twin_walk(name: str, start: Array, noise: Array, **changes: float) -> list[Array]:
    errors = iter(noise)
    gradient: Gradient = lambda w: CURVATURE[start.ndim] * w + next(errors)  # noqa: E731
    twin = TWINS[name](start, gradient, **(defaults_of(name) | changes))
    return [next(twin) for _ in noise]


def assert_close(name: str, path: list[Array], twin: list[Array], lr: float) -> None:
    if name == "muon" and path[0].ndim == 2:
        # torch makes the step orthogonal in bfloat16, of 8 bits: it is right to a few hundredths of its length.
        steps = np.arange(1, len(path) + 1).reshape(-1, 1, 1)
        assert np.all(np.abs(np.array(path) - np.array(twin)) < 0.01 * lr * steps)
    else:
        # Both count in float64, in another order of operations: thirty steps of rounding at 1e-16 each.
        np.testing.assert_allclose(path, twin, rtol=1e-11, atol=1e-12)


def noise_of(seed: int, steps: int, start: Array) -> Array:
    return np.random.default_rng(seed).normal(size=(steps, *start.shape))


def test_every_optimizer_but_the_line_search_has_a_twin() -> None:
    assert set(TWINS) == set(CATALOGUE) - {"lbfgs"}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", TWINS)
def test_every_optimizer_follows_its_formula(name: str, start: Array, weight_decay: float) -> None:
    noise = noise_of(0, 30, start)
    path = walk(name, start, noise, lr=0.05, weight_decay=weight_decay)
    assert_close(name, path, twin_walk(name, start, noise, lr=0.05, weight_decay=weight_decay), 0.05)


OPTIONS = [(name, option) for name in TWINS for option in CATALOGUE[name].options]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_is_read_and_means_what_the_formula_says(name: str, option: str) -> None:
    # Of muon's options two matter to matrices alone, three to what is none.
    start = MATRIX if name == "muon" and option in ("momentum", "iterations") else VECTOR
    noise = noise_of(1, 12, start)
    default = CATALOGUE[name].options[option].default
    assert isinstance(default, int | float)
    changed = {
        "lr": 2 * default,
        "weight_decay": 0.05,
        "epsilon": 0.5,
        "clip": 1.2,
        "least_scale": 0.9,
        "iterations": 2,
        "momentum_decay": 0.5,
        "momentum": 0.6,
        "beta1": 0.5,
    }.get(option, 0.9 * default)
    # The least scale counts where weights are smaller than it.
    start = 0.1 * start if option == "least_scale" else start
    common = {"lr": 0.05, "weight_decay": 0.01}
    plain, path = walk(name, start, noise, **common), walk(name, start, noise, **(common | {option: changed}))
    lr = (common | {option: changed})["lr"]
    assert np.abs(path[-1] - plain[-1]).max() > (0.2 * lr if name == "muon" and start.ndim == 2 else 1e-6)
    assert_close(name, path, twin_walk(name, start, noise, **(common | {option: changed})), lr)
