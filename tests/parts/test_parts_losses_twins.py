"""A second implementation of every loss, written from the guides' formulas in float64, and the cases it is tried on.

Each twin returns the sum over what counts, and what the mean divides by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.parts.losses import CATALOGUE, IGNORED
from trainwright.records import LossSpec

Array = np.ndarray
Sum = tuple[float, float]
CLASSES = 4
WEIGHTS = (0.1, 1.0, 2.5, 7.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A loss, its options, and the kind of its targets: "ids", "tokens", "soft", "answers", "labels", "values"..."""

    name: str
    targets: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> LossSpec:
        return CATALOGUE[self.name]

    @property
    def loss(self) -> Any:
        return self.spec.factory(**self.options)

    def __str__(self) -> str:
        return " ".join([self.name, self.targets, *(f"{key}={value}" for key, value in self.options.items())])


def _cases() -> list[Case]:
    rows: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("cross_entropy", "ids tokens soft", [{}, {"weights": WEIGHTS}, {"label_smoothing": 0.1}]),
        ("cross_entropy", "ids tokens soft", [{"weights": WEIGHTS, "label_smoothing": 0.3}]),
        ("nll", "ids tokens soft", [{}, {"weights": WEIGHTS}]),
        ("kl_div", "ids tokens soft", [{}]),
        ("focal", "ids tokens", [{}, {"gamma": 0.0}, {"gamma": 0.5}, {"gamma": 3.5, "weights": WEIGHTS}]),
        ("focal", "answers labels shares", [{}, {"gamma": 0.5, "alpha": 0.25}, {"weights": (0.3, 4.0)}]),
        ("focal", "answers labels shares", [{"gamma": 0.0, "alpha": 0.75, "weights": (0.3, 4.0)}]),
        ("bce_with_logits", "answers labels shares", [{}, {"pos_weight": 3.0}]),
        ("mse", "values columns", [{}]),
        ("mae", "values columns", [{}]),
        ("huber", "values columns", [{}, {"delta": 0.4}, {"delta": 2.5}]),
        ("smooth_l1", "values columns", [{}, {"beta": 0.4}, {"beta": 2.5}]),
    ]
    return [
        Case(name=name, targets=kind, options=options)
        for name, kinds, settings in rows
        for kind in kinds.split()
        for options in settings
    ]


CASES = _cases()
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def samples(case: Case, count: int, *, seed: int = 0, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float64 outputs and fitting targets; of token ids, a third does not count."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shapes = {"tokens": (CLASSES, 3), "answers": (1,), "values": (1,)}
    output = scale * normal(count, *shapes.get(case.targets, (CLASSES,)))
    if case.spec.expects == "log-probabilities":
        output = output.log_softmax(1)
    if case.targets == "ids":
        return output, torch.randint(0, CLASSES, (count,), generator=generator)
    if case.targets == "tokens":
        ids = torch.randint(0, CLASSES, (count, 3), generator=generator)
        return output, ids.where(torch.rand(count, 3, generator=generator) > 1 / 3, IGNORED)
    if case.targets == "soft":
        return output, normal(count, CLASSES).softmax(1)
    if case.targets in ("answers", "labels"):
        return output, torch.randint(0, 2, output.shape, generator=generator)
    return output, normal(*output.shape).sigmoid() if case.targets == "shares" else normal(*output.shape)


# --- the second implementation ---


def _rows(z: Array, y: Array) -> tuple[Array, Array]:
    """Return rows of outputs and of target probabilities, without what does not count."""
    z = np.moveaxis(z, 1, -1).reshape(-1, z.shape[1])
    if y.dtype.kind == "f":
        return z, np.moveaxis(y, 1, -1).reshape(z.shape)
    kept = y.reshape(-1) != IGNORED
    return z[kept], np.eye(z.shape[1])[y.reshape(-1)[kept]]


def _softmax(z: Array) -> Array:
    exponentials = np.exp(z - z.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def _weighted(each: Array, q: Array, weights: Any) -> Sum:
    share = q @ np.array(weights) if weights else np.ones(len(q))
    return float(share @ each), float(share.sum())


def cross_entropy_twin(z: Array, y: Array, weights: Any = (), label_smoothing: float = 0.0) -> Sum:
    z, q = _rows(z, y)
    smooth = (1 - label_smoothing) * q + label_smoothing / z.shape[1]
    return _weighted(-(smooth * np.log(_softmax(z))).sum(1), q, weights)


def nll_twin(z: Array, y: Array, weights: Any = ()) -> Sum:
    z, q = _rows(z, y)
    return _weighted(-(q * z).sum(1), q, weights)


def kl_div_twin(z: Array, y: Array) -> Sum:
    z, q = _rows(z, y)
    logarithm = np.log(np.where(q > 0, q, 1.0))
    return float((q * (logarithm - z)).sum()), float(len(q))


def focal_twin(z: Array, y: Array, gamma: float = 2.0, alpha: float = 0.0, weights: Any = ()) -> Sum:
    if y.shape == z.shape:
        p, no, yes = 1 / (1 + np.exp(-z)), (1 - alpha if alpha else 1.0), alpha or 1.0
        each = -(yes * y * (1 - p) ** gamma * np.log(p) + no * (1 - y) * p**gamma * np.log(1 - p))
        share = (1 - y) * weights[0] + y * weights[1] if weights else np.ones_like(each)
        return float((share * each).sum()), float(share.sum())
    z, q = _rows(z, y)
    p = _softmax(z)
    return _weighted(-(q * (1 - p) ** gamma * np.log(p)).sum(1), q, weights)


def bce_twin(z: Array, y: Array, pos_weight: float = 1.0) -> Sum:
    s = 1 / (1 + np.exp(-z))
    return float(-(pos_weight * y * np.log(s) + (1 - y) * np.log(1 - s)).sum()), float(y.size)


def mse_twin(z: Array, y: Array) -> Sum:
    return float(((y - z) ** 2).sum()), float(y.size)


def mae_twin(z: Array, y: Array) -> Sum:
    return float(np.abs(y - z).sum()), float(y.size)


def huber_twin(z: Array, y: Array, delta: float = 1.0) -> Sum:
    e = np.abs(y - z)
    return float(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)).sum()), float(y.size)


def smooth_l1_twin(z: Array, y: Array, beta: float = 1.0) -> Sum:
    total, count = huber_twin(z, y, beta)
    return total / beta, count


TWINS: dict[str, Callable[..., Sum]] = {
    "cross_entropy": cross_entropy_twin,
    "nll": nll_twin,
    "kl_div": kl_div_twin,
    "focal": focal_twin,
    "bce_with_logits": bce_twin,
    "mse": mse_twin,
    "mae": mae_twin,
    "huber": huber_twin,
    "smooth_l1": smooth_l1_twin,
}


def twin(case: Case, output: torch.Tensor, target: torch.Tensor) -> float:
    total, count = TWINS[case.name](output.detach().numpy(), target.numpy(), **case.options)
    return total / count


# --- the twins themselves, at values that can be checked by hand ---


def test_every_loss_has_a_twin_and_a_case_for_each_option() -> None:
    assert set(TWINS) == set(CATALOGUE)
    for name, spec in CATALOGUE.items():
        assert {option for case in CASES if case.name == name for option in case.options} == set(spec.options)


@pytest.mark.parametrize(
    ("name", "z", "y", "options", "expected"),
    [
        ("mse", [[1.0], [4.0]], [[3.0], [3.0]], {}, 2.5),
        ("mae", [[1.0], [4.0]], [[3.0], [3.0]], {}, 1.5),
        ("huber", [[1.0], [3.5]], [[3.0], [3.0]], {}, (1.5 + 0.125) / 2),
        ("smooth_l1", [[1.0], [3.5]], [[3.0], [3.0]], {"beta": 2.0}, (1.0 + 0.0625) / 2),
        ("bce_with_logits", [[0.0]], [[1.0]], {"pos_weight": 3.0}, 3 * math.log(2)),
        ("cross_entropy", [[0.0, math.log(3)]], [1], {}, math.log(4 / 3)),
        (
            "cross_entropy",
            [[0.0, 0.0], [0.0, math.log(3)]],
            [0, 1],
            {"weights": (1.0, 3.0)},
            math.log(2 * (4 / 3) ** 3) / 4,
        ),
        ("nll", [[math.log(0.25), math.log(0.75)]], [0], {}, math.log(4)),
        ("kl_div", [[math.log(0.25), math.log(0.75)]], [[0.5, 0.5]], {}, math.log(2 / math.sqrt(3))),
        ("focal", [[0.0, math.log(3)]], [1], {}, math.log(4 / 3) / 16),
        ("focal", [[math.log(3)]], [[0.0]], {"alpha": 0.25}, 0.75 * (9 / 16) * math.log(4)),
    ],
)
def test_every_twin_gives_what_a_hand_computes(
    name: str, z: list, y: list, options: dict[str, Any], expected: float
) -> None:
    total, count = TWINS[name](np.array(z), np.array(y), **options)
    assert total / count == pytest.approx(expected, rel=1e-14)
    value = CATALOGUE[name].factory(**options)(torch.tensor(z, dtype=torch.float64), torch.tensor(y))
    assert value.item() == pytest.approx(expected, rel=1e-14)
