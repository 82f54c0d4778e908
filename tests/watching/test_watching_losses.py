"""Faults of losses and labels that only a loop shows, each beside its twin: penalties, padding, labels, thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainwright.records import Finding
from trainwright.watching.watch import watch

Loss = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


def findings(
    make: Callable[[], nn.Module], loss: Loss, x: torch.Tensor, y: torch.Tensor, *, steps: int = 30
) -> list[Finding]:
    """Return what is said of a small model that is trained on random rows of `x` and `y`."""
    torch.manual_seed(4)
    with watch(quiet=True) as watched:
        watched._tape.own_seconds = -60.0  # however slow the machine, nothing is left out for its time
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(steps):
            rows = torch.randint(len(x), (32,))
            value = loss(model, x[rows], y[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    assert watched.problem is None
    return list(watched.report().findings)


def kinds(found: list[Finding]) -> list[str]:
    return [finding.kind for finding in found]


def named(found: list[Finding], kind: str) -> Finding:
    return next(finding for finding in found if finding.kind == kind)


def numbers(count: int = 400) -> torch.Tensor:
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(0))


def layers(outputs: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, outputs))


def squares_of_data(model: nn.Module) -> torch.Tensor | float:
    return sum((part.data.square().sum() for part in model.parameters()), torch.zeros(()))


def items(model: nn.Module) -> float:
    return sum(part.abs().sum().item() for part in model.parameters() if part.dim() > 1)


def norm_of_head(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return list(model.parameters())[-2].norm()


def alive(model: nn.Module) -> torch.Tensor:
    return sum((part.square().sum() for part in model.parameters()), torch.zeros(()))


@pytest.mark.parametrize("penalty", [squares_of_data, items, norm_of_head])
def test_a_penalty_without_a_graph_is_named_on_the_line_that_adds_it(penalty) -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), y) + 0.01 * penalty(model)

    x = numbers()
    found = named(findings(layers(3), loss, x, x[:, :3].argmax(1)), "penalty-inert")
    assert (found.severity, found.where.file) == ("error", __file__)
    assert found.where.line == loss.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    "added",
    [lambda model, step: alive(model), lambda model, step: 3.0, lambda model, step: 0.1 * step],
    ids=["with a graph", "a constant", "a number that grows"],
)
def test_other_parts_of_a_loss_are_no_inert_penalties(added) -> None:
    step = 0

    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal step
        step += 1
        return F.cross_entropy(model(x), y) + 0.01 * added(model, step)

    x = numbers()
    assert "penalty-inert" not in kinds(findings(layers(3), loss, x, x[:, :3].argmax(1)))


def test_labels_that_count_from_one_beside_an_idle_unit_are_named() -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), y)

    x = numbers()
    classes = x[:, :3].argmax(1)
    found = named(findings(layers(4), loss, x, classes + 1), "labels-out-of-range")
    assert (found.severity, found.where.line) == ("warning", loss.__code__.co_firstlineno + 1)
    assert kinds(findings(layers(3), loss, x, classes)) == []


class Tagger(nn.Module):
    def __init__(self, padding: int | None) -> None:
        super().__init__()
        self.ids, self.out = nn.Embedding(8, 10, padding_idx=padding), nn.Linear(10, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.ids(x)))


def tagged() -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids `(300, 9)` of 1 to 7 and their tags 1 to 4, padded with 0 behind rows of 4 to 9."""
    generator = torch.Generator().manual_seed(0)
    real = torch.arange(9) < torch.randint(4, 10, (300, 1), generator=generator)
    ids = torch.randint(1, 8, (300, 9), generator=generator) * real
    return ids, torch.where(real, ids % 4 + 1, 0)


@pytest.mark.parametrize("padding", [0, None], ids=["known to the embedding", "known from the rows"])
@pytest.mark.parametrize("flat", [True, False])
def test_padding_is_seen_among_targets_of_any_form(padding, flat) -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor, **options: Any) -> torch.Tensor:
        output = model(x)
        return F.cross_entropy(*((output.flatten(0, 1), y.flatten()) if flat else (output.mT, y)), **options)

    def ignoring(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss(model, x, y, ignore_index=0)

    ids, tags = tagged()
    assert "padding-counted-in-loss" in kinds(findings(lambda: Tagger(padding), loss, ids, tags))
    assert kinds(findings(lambda: Tagger(padding), ignoring, ids, tags)) == []


def test_a_mark_at_the_end_of_every_row_is_no_padding() -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    ids = torch.randint(1, 8, (300, 9), generator=torch.Generator().manual_seed(0))
    tags = ids % 4 + 1
    ids[:, -1], tags[:, -1] = 0, 0
    assert kinds(findings(lambda: Tagger(None), loss, ids, tags)) == []


def test_distances_between_probabilities_and_one_hot_rows_are_named() -> None:
    def squared(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(model(x).softmax(-1), y)

    def entropy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), y)

    x = numbers()
    hot = F.one_hot(x[:, :4].argmax(1)).float()
    soft = 0.9 * hot + 0.025  # a teacher's probabilities, whose squared distance is meant
    assert kinds(findings(layers(4), squared, x, hot)) == ["regression-loss-for-classes"]
    assert kinds(findings(layers(4), entropy, x, hot)) == []
    assert kinds(findings(layers(4), squared, x, soft)) == []


@pytest.mark.parametrize("threshold", [0.5, 0.0])
@pytest.mark.parametrize("evaluating", [True, False])
def test_logits_that_are_compared_with_a_half_are_named_and_with_zero_are_not(threshold, evaluating) -> None:
    x = numbers()
    y = (x[:, 0] > 0).float()

    def loss(model: nn.Module, inputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = model(inputs).squeeze(1)
        if evaluating:
            model.eval()
            with torch.no_grad():
                _ = model(x).squeeze(1) > threshold
            model.train()
        else:
            _ = logits.detach() >= threshold
        return F.binary_cross_entropy_with_logits(logits, target)

    found = findings(layers(1), loss, x, y)
    assert ("metric-contradicts-loss" in kinds(found)) == (threshold == 0.5)


def test_probabilities_that_are_compared_with_a_half_are_no_logits() -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        logits = model(x).squeeze(1)
        _ = torch.sigmoid(logits) > 0.5
        return F.binary_cross_entropy_with_logits(logits, y)

    x = numbers()
    assert kinds(findings(layers(1), loss, x, (x[:, 0] > 0).float())) == []
    assert "__gt__" not in vars(torch.Tensor)  # as it was


class Multiplying(nn.Module):
    """Holds matrices of its own, whose units lie along the columns."""

    def __init__(self, fill: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body, self.head = (nn.Parameter(fill(torch.empty(*shape))) for shape in ((12, 16), (16, 3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ self.body) @ self.head


def test_equal_columns_of_a_matrix_of_ones_own_are_units_alike() -> None:
    def loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), y)

    x = numbers()
    y = x[:, :3].argmax(1)
    assert "symmetric-initialisation" in kinds(findings(lambda: Multiplying(lambda w: w.fill_(0.1)), loss, x, y))
    assert kinds(findings(lambda: Multiplying(lambda w: w.normal_(0, 0.3)), loss, x, y)) == []


def test_few_samples_again_and_again_do_not_count_as_many() -> None:
    x = torch.randn(24, 6)
    y = torch.randint(0, 3, (24,))
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    with watch(quiet=True) as watched:
        for _ in range(30):
            for rows in torch.randperm(24).split(8):
                optimizer.zero_grad()
                F.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
    assert "labels-unrelated-to-inputs" not in [finding.kind for finding in watched.findings]
