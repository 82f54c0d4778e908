"""Graphs: which are walked, which are walked again, and with which sign a loss stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.watching.signs import term_of
from trainwright.watching.watch import Watch, watch

GOLD = torch.tensor([0, 1, 2, 0])


def evaluated(evaluate: Callable[[nn.Module, torch.Tensor, torch.Tensor], object], *, epochs: int = 6) -> Watch:
    """Train for some epochs of 8 steps, with an evaluation after each."""
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network(dropout=0.2)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(epochs):
            model.train()
            for rows in torch.arange(len(x)).split(32):
                loops.healthy(model, optimizer, x[rows], y[rows], 0)
            evaluate(model, x, y)
    assert watched.problem is None
    return watched


def batches(x: torch.Tensor) -> Iterator[torch.Tensor]:
    return iter(torch.arange(len(x)).split(32))


def keeps_outputs(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.eval()
    outputs = [model(x[rows]) for rows in batches(x)]
    torch.cat(outputs).argmax(1)


def adds_losses(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    for rows in batches(x):
        F.cross_entropy(model(x[rows]), y[rows]).item()


def without_gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.eval()
    with torch.no_grad():
        for rows in batches(x):
            F.cross_entropy(model(x[rows]), y[rows]).item()


def attacks(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.eval()
    for rows in batches(x):
        given = x[rows].clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(model(given), y[rows]), given)


def collects_first(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.eval()
    torch.stack([F.cross_entropy(model(x[rows]), y[rows]) for rows in batches(x)]).mean().backward()
    model.zero_grad()


@pytest.mark.parametrize("evaluate", [keeps_outputs, adds_losses])
def test_an_evaluation_whose_graphs_nobody_walks_is_noted(evaluate: Callable) -> None:
    kinds = [(found.kind, found.severity) for found in evaluated(evaluate).findings]
    assert ("gradients-tracked-in-evaluation", "note") in kinds


@pytest.mark.parametrize("evaluate", [without_gradients, attacks, collects_first])
def test_passes_in_evaluation_mode_that_are_walked_are_not(evaluate: Callable) -> None:
    assert "gradients-tracked-in-evaluation" not in loops.seen(evaluated(evaluate))


def chunks(hand_on: Callable[[torch.Tensor], torch.Tensor], *, retain: bool) -> Watch:
    """Train a recurrent network on one sequence in chunks, with a backward pass after each."""
    torch.manual_seed(0)
    x, y = torch.randn(4, 32, 3), torch.randn(4, 32, 5)
    with watch(quiet=True) as watched:
        cell, state = nn.GRU(3, 5, batch_first=True), torch.zeros(1, 4, 5)
        optimizer = torch.optim.SGD(cell.parameters(), lr=0.01)
        for start in range(0, 32, 4):
            out, state = cell(x[:, start : start + 4], state)
            F.mse_loss(out, y[:, start : start + 4]).backward(retain_graph=retain)
            state = hand_on(state)
        optimizer.step()
    return watched


def test_a_state_that_is_handed_on_with_its_graph_is_seen() -> None:
    (finding,) = chunks(lambda state: state, retain=True).findings
    assert (finding.kind, finding.severity) == ("graph-kept-alive", "error")
    assert "those before it" in finding.title
    assert chunks(torch.Tensor.detach, retain=True).findings == []


def test_what_torch_refuses_to_walk_a_second_time_is_explained() -> None:
    found: list[Watch] = []

    def carries() -> None:
        with watch(quiet=True) as watched:
            found.append(watched)
            model, x, state = nn.Linear(6, 3), torch.randn(4, 3), torch.zeros(4, 3)
            for _ in range(3):
                state = model(torch.cat([x, state], 1))
                state.square().mean().backward()

    def twice() -> None:
        with watch(quiet=True) as watched:
            found.append(watched)
            loss = nn.Linear(3, 1)(torch.randn(4, 3)).square().mean()
            loss.backward()
            loss.backward()

    for sick in (carries, twice):
        with pytest.raises(RuntimeError, match="second time"):
            sick()
    titles = [finding.title for watched in found for finding in watched.findings]
    assert titles == [
        "each backward pass goes through the graphs of those before it",
        "backward is called a second time on the same graph",
    ]


def binary(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    p, yes = torch.sigmoid(logits[:, 0]), (y > 0).float()
    return (yes * torch.log(p + 1e-7) + (1 - yes) * torch.log(1 - p + 1e-7)).mean()


def one_hot(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (F.one_hot(y, 3) * torch.log_softmax(logits, 1)).sum(1).mean()


WORSE = {
    "minus": lambda z, y: -F.cross_entropy(z, y),
    "times minus one": lambda z, y: -1.0 * F.cross_entropy(z, y),
    "taken from a number": lambda z, y: 2 - F.mse_loss(z[:, 0], y.float()) / 3,
    "two of one kind": lambda z, y: -(F.cross_entropy(z, y) + F.cross_entropy(2 * z, y)) / 2,
    "gathered": lambda z, y: torch.log_softmax(z, 1).gather(1, y[:, None]).mean(),
    "indexed": lambda z, y: torch.log_softmax(z, 1)[torch.arange(len(y)), y].mean(),
    "log of a softmax": lambda z, y: torch.log(z.softmax(1)[torch.arange(len(y)), y]).mean(),
    "one hot": one_hot,
    "yes or no": binary,
    "a distribution": lambda z, y: torch.distributions.Categorical(logits=z).log_prob(y).mean(),
}
BETTER = {f"not {name}": lambda z, y, loss=loss: -loss(z, y) for name, loss in WORSE.items() if "number" not in name}
RETURNS = torch.tensor([-1.0, -2.0, -0.5, -3.0])
SILENT = {
    "returns": lambda z, y: (torch.log_softmax(z, 1).gather(1, y[:, None])[:, 0] * RETURNS).mean(),
    "one return below zero": lambda z, y: -torch.log_softmax(z, 1).gather(1, y[:, None]).mean() * -200.0,
    "costs": lambda z, y: (torch.log(z.softmax(1)[torch.arange(4), y]) * RETURNS.abs() / 4).mean(),
    "an adversary besides": lambda z, y: F.mse_loss(z[:, 1], y.float()) - F.cross_entropy(z, y),
    "entropy": lambda z, y: (z.softmax(1) * torch.log_softmax(z, 1)).sum(1).mean(),
    "variance": lambda z, y: -z.var(0).mean(),
    "uniform": lambda z, y: torch.log_softmax(z, 1).mean(),
}


@pytest.mark.parametrize("name", [*WORSE, *BETTER])
def test_the_sign_of_a_known_loss_is_read_from_its_graph(name: str) -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    term = term_of((WORSE | BETTER)[name](logits, GOLD))
    assert term is not None
    assert (term.weight < 0) == (name in WORSE)


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of_losses_that_may_have_any_sign(name: str) -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert term_of(SILENT[name](logits, GOLD)) is None


@pytest.mark.parametrize(
    ("sign", "up", "named"), [(1, False, False), (-1, False, True), (1, True, True), (-1, True, False)]
)
def test_steps_that_make_the_loss_larger_are_an_error(sign: int, up: bool, named: bool) -> None:
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, maximize=up)
        for start, end in pairwise(range(0, 193, 32)):
            optimizer.zero_grad()
            (sign * F.cross_entropy(model(x[start:end]), y[start:end])).backward()
            optimizer.step()
    errors = [finding.kind for finding in watched.findings if finding.severity == "error"]
    assert errors == (["loss-maximised"] if named else [])


@pytest.mark.parametrize(
    ("difference", "named"),
    [
        (lambda output, y: output - y, True),
        (lambda output, y: y - output, True),
        (lambda output, y: output[:, 0] - y[:, None], True),
        (lambda output, y: output[:, 0] - y, False),
        (lambda output, y: output[:, 0][:, None] - y[None], False),
        (lambda output, y: output - output.T, False),
        (lambda output, y: output - torch.linspace(0, 1, 5), False),
    ],
    ids=["column and row", "the other way", "row and column", "alike", "written out", "both learnt", "quantiles"],
)
def test_a_difference_over_all_pairs_is_named_unless_it_is_meant(difference: Callable, named: bool) -> None:
    x = torch.randn(64, 4)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(quiet=True) as watched:
        for rows in torch.arange(64).split(16):
            optimizer.zero_grad()
            difference(model(x[rows]), x[rows].sum(1)).square().mean().backward()
            optimizer.step()
    assert ("loss-shape-broadcast" in [finding.kind for finding in watched.findings]) == named
