"""Samples of a batch that depend on one another: named from one exchange; sequences and pairs are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from trainwright.records import Finding
from trainwright.watching.watch import watch

Batches = Callable[[torch.Tensor, torch.Tensor], Iterator[tuple[torch.Tensor, torch.Tensor]]]


class Recurrent(nn.Module):
    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.rnn = nn.GRU(5, 8, batch_first=batch_first)
        self.out = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.rnn(x)[0][:, -1])


class Attentive(nn.Module):
    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(5, 1, batch_first=batch_first)
        self.norm, self.drop, self.out = nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z, _ = self.attention(x, x, x)
        return self.out(self.drop(self.norm((x + z).mean(1))))


class Pooled(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.query, self.value = dim, nn.Linear(5, 1), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.softmax(self.query(x), dim=self.dim) * self.value(x)).sum(1)


class Regrouped(nn.Module):
    def __init__(self, *, view: bool) -> None:
        super().__init__()
        self.view, self.body, self.out = view, nn.Linear(7, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = x.view(5, len(x), 7).permute(1, 0, 2) if self.view else x.transpose(1, 2)
        return self.out(torch.relu(self.body(z)).mean(1))


def from_loader(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in range(3):
        yield from DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)


def picked(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in range(12):
        rows = torch.randint(len(x), (24,))
        yield x[rows], y[rows]


def findings(make: Callable[[], nn.Module], batches: Batches) -> list[Finding]:
    """Return what is said of a small classifier of sequences `(N, 7, 5)`."""
    torch.manual_seed(2)
    x = torch.randn(96, 7, 5)
    y = (x[:, :, 0].sum(1) > 0).long()
    with watch(quiet=True) as watched:
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for inputs, labels in batches(x, y):
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.problem is None
    return list(watched.report().findings)


def kinds(found: list[Finding]) -> list[str]:
    return [finding.kind for finding in found]


@pytest.mark.parametrize("batches", [from_loader, picked], ids=["loader", "by hand"])
@pytest.mark.parametrize(
    ("make", "twin"),
    [
        (lambda: Recurrent(batch_first=False), lambda: Recurrent(batch_first=True)),
        (lambda: Attentive(batch_first=False), lambda: Attentive(batch_first=True)),
        (lambda: Regrouped(view=True), lambda: Regrouped(view=False)),
    ],
    ids=["recurrent", "attention", "view"],
)
def test_samples_that_mix_are_named_and_their_twin_is_not(make, twin, batches) -> None:
    found = findings(make, batches)
    assert [finding.kind for finding in found if finding.severity == "error"] == ["samples-mixed-in-batch"]
    assert "samples-mixed-in-batch" not in kinds(findings(twin, batches))


def test_a_loader_that_draws_at_random_is_enough_in_the_first_step() -> None:
    found = findings(lambda: Recurrent(batch_first=False), from_loader)
    assert (found[0].step, found[0].where.file) == (0, __file__)
    assert "batch_first=True" in found[0].remedies[0].text


def test_a_softmax_over_the_samples_is_named_on_its_own_line() -> None:
    found = findings(lambda: Pooled(0), picked)
    assert found[0].kind == "softmax-wrong-dimension"
    assert found[0].where.line == Pooled.forward.__code__.co_firstlineno + 1
    assert kinds(findings(lambda: Pooled(1), picked)) == []


def test_the_moments_of_a_sequence_may_depend_on_one_another() -> None:
    torch.manual_seed(0)
    text = torch.randint(0, 9, (400, 6))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ids, self.rnn, self.out = nn.Embedding(9, 8), nn.GRU(8, 8), nn.Linear(8, 9)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.rnn(self.ids(x))[0])

    with watch(quiet=True) as watched:
        model = Model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for start in [*range(0, 160, 8)] * 2:
            x, y = text[start : start + 16], text[start + 1 : start + 17]
            loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.problem is None
    assert "samples-mixed-in-batch" not in kinds(list(watched.report().findings))


def test_a_table_of_all_pairs_may_mix_the_samples() -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Linear(35, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            z = F.normalize(self.body(x.flatten(1)), dim=1)
            return 5 * z @ z.T

    def pairs(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return ((inputs, torch.arange(len(inputs))) for inputs, _ in picked(x, y))

    assert "samples-mixed-in-batch" not in kinds(findings(Pairs, pairs))


def test_the_exchange_leaves_weights_modes_statistics_and_randomness_as_they_were() -> None:
    def run() -> list[torch.Tensor]:
        torch.manual_seed(1)
        x, y = torch.randn(96, 7, 5), torch.randint(0, 2, (96,))
        model = Attentive(batch_first=False)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for inputs, labels in from_loader(x, y):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        assert all(module.training for module in model.modules())
        return [*model.state_dict().values(), torch.get_rng_state()]

    alone = run()
    with watch(quiet=True) as watched:
        beside = run()
    assert "samples-mixed-in-batch" in kinds(list(watched.report().findings))
    assert all(torch.equal(one, other) for one, other in zip(alone, beside, strict=True))


def test_a_model_that_refuses_to_be_called_in_evaluation_mode_goes_on_training() -> None:
    class Refusing(Recurrent):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training:
                raise RuntimeError("not here")
            return super().forward(x)

    assert "samples-mixed-in-batch" not in kinds(findings(lambda: Refusing(batch_first=False), from_loader))
