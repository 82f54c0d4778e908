"""Networks that cannot memorise a handful of samples, each beside its fixed twin."""

from __future__ import annotations

import torch
from cases_start import all_equal, buried, classes, equal_units, made, mlp, values
from checks_cases import Case
from torch import nn

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


class Cut(nn.Module):
    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self.first, self.last, self.cut = mlp(8, 64, 2), nn.Linear(2, 4), cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        return self.last(hidden.detach() if self.cut else hidden)


def cut_off(*, cut: bool) -> Subject:
    return subject_of(Cut(cut=cut), "cross_entropy", classes())


def ends_with(activation: nn.Module | None) -> Subject:
    x, y = values()
    layers = [*mlp(6, 32, 1), *([] if activation is None else [activation])]
    return subject_of(nn.Sequential(*layers), "mse", (x, 3 * y))


def told_twice(*, same: bool) -> Subject:
    x, y = classes()
    return subject_of(mlp(8, 32, 4), "cross_entropy", (x[:1].expand(128, 8) if same else x, y))


def narrow(width: int) -> Subject:
    return subject_of(mlp(6, width, 4), "mse", (torch.randn(128, 6), torch.randn(128, 4)))


def norm_at_the_end(*, norm: bool) -> Subject:
    x, y = values()
    layers = [*mlp(6, 32, 1), *([nn.BatchNorm1d(1, affine=False)] if norm else [])]
    return subject_of(nn.Sequential(*layers), "mse", (x, 5 + 3 * y))


def ignoring(*, zero: float) -> Subject:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(8, 32, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(zero * x)

    return subject_of(Net(), "cross_entropy", classes())


CASES: list[Case] = [
    Case(name=name, check=check, kind=kind, sick=made(sick), fixed=made(fixed))
    for name, check, kind, sick, fixed in (
        (
            "features cut off",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: cut_off(cut=True),
            lambda: cut_off(cut=False),
        ),
        (
            "sigmoid before targets beyond one",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: ends_with(nn.Sigmoid()),
            lambda: ends_with(None),
        ),
        (
            "the same input for all samples",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: told_twice(same=True),
            lambda: told_twice(same=False),
        ),
        (
            "batch norm at the end",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: norm_at_the_end(norm=True),
            lambda: norm_at_the_end(norm=False),
        ),
        (
            "inputs multiplied by zero",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: ignoring(zero=0.0),
            lambda: ignoring(zero=1.0),
        ),
        (
            "units that stay the same",
            "tiny-batch",
            "cannot-overfit-tiny-batch",
            lambda: equal_units(all_equal),
            lambda: equal_units(None),
        ),
        ("one unit in the middle", "tiny-batch", "cannot-overfit-tiny-batch", lambda: narrow(1), lambda: narrow(32)),
        ("dead layer", "tiny-batch", "cannot-overfit-tiny-batch", lambda: buried(-1000.0), lambda: buried(0.0)),
    )
]
