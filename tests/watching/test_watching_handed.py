"""What is handed on: weights to copies, states to new jobs, labels to outputs, statistics to nobody."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.watching.watch import Watch, watch


def kinds(watched: Watch) -> list[str]:
    assert watched.problem is None
    return [finding.kind for finding in watched.findings if finding.severity != "note"]


@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_copies_that_are_stepped_and_handed_back_are_no_forgotten_parameters(scale: float) -> None:
    x, _ = loops.samples()
    x = x.half()
    with watch(quiet=True) as watched:
        master = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 20))
        half = copy.deepcopy(master).half()
        optimizer = torch.optim.Adam(master.parameters(), lr=3e-3, eps=1e-12)
        for _ in range(24):
            loss = (half(x).float() - x.float()).pow(2).mean() * 1e-6
            half.zero_grad()
            (loss * scale).backward()
            for low, high in zip(half.parameters(), master.parameters(), strict=True):
                assert low.grad is not None
                high.grad = low.grad.float() / scale
            optimizer.step()
            for low, high in zip(half.parameters(), master.parameters(), strict=True):
                low.data.copy_(high.data)
    assert kinds(watched) == ([] if scale > 1 else ["fp16-underflow"])


class Handmade(nn.Module):
    def __init__(self, *, registered: bool) -> None:
        super().__init__()
        weights = [nn.Parameter(0.2 * torch.randn(20, 16)), nn.Parameter(0.2 * torch.randn(16, 3))]
        self.weights = nn.ParameterList(weights) if registered else weights
        self.shift = nn.Parameter(torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x @ self.weights[0]).relu() @ self.weights[1] + self.shift


@pytest.mark.parametrize("registered", [True, False])
def test_parameters_in_a_plain_list_are_named_with_their_attribute(registered: bool) -> None:
    torch.manual_seed(0)
    watched = loops.run(loops.healthy, model=Handmade(registered=registered))
    found = [finding for finding in watched.findings if finding.kind == "unregistered-submodule"]
    assert len(found) == (0 if registered else 1)
    assert registered or any("weights" in str(part.value) for part in found[0].evidence)


class Pool(nn.Module):
    def __init__(self, dimension: int, classes: int = 3) -> None:
        super().__init__()
        self.dimension = dimension
        self.score, self.out = nn.Linear(4, 1), nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = x.view(len(x), 5, 4)
        weights = torch.softmax(self.score(places), dim=self.dimension)
        return self.out((weights * places).sum(1))


@pytest.mark.parametrize(("dimension", "named"), [(-1, True), (1, False)])
def test_a_softmax_over_one_score_of_each_place_is_named(dimension: int, named: bool) -> None:
    watched = loops.run(loops.healthy, model=Pool(dimension))
    assert ("softmax-over-one-unit" in kinds(watched)) is named


@pytest.mark.parametrize(("slope", "named"), [(1.0, True), (0.01, False)])
def test_a_leaky_relu_of_slope_one_is_no_activation(slope: float, named: bool) -> None:
    model = nn.Sequential(nn.Linear(20, 32), nn.LeakyReLU(slope), nn.Linear(32, 3))
    assert ("no-nonlinearity" in kinds(loops.run(loops.healthy, model=model))) is named


@pytest.mark.parametrize("whole", [True, False])
def test_jobs_that_resume_without_their_optimizers_state_are_named(whole: bool) -> None:
    x, y = loops.samples()
    saved: dict[str, Any] = {}
    with watch(quiet=True) as watched:
        for _ in range(6):
            model = loops.network()
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
            if saved:
                model.load_state_dict(saved["model"])
                if whole:
                    optimizer.load_state_dict(saved["optimizer"])
            for _ in range(8):
                loops.healthy(model, optimizer, x[:64], y[:64], 0)
            saved = copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    assert ("optimizer-state-lost-on-resume" in kinds(watched)) is not whole


@pytest.mark.parametrize("whole", [True, False])
def test_batch_norms_whose_weights_alone_were_copied_are_named(whole: bool) -> None:
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = loops.network(norm=True)
        best = copy.deepcopy(model)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(24):
            loops.healthy(model, optimizer, x, y, 0)
        with torch.no_grad():
            mine, its = (part.state_dict() if whole else dict(part.named_parameters()) for part in (best, model))
            for name, tensor in mine.items():
                tensor.copy_(its[name])
        best.eval()
        with torch.no_grad():
            best(x)
    assert ("batch-norm-statistics-stale" in kinds(watched)) is not whole


@pytest.mark.parametrize(("margin", "expected"), [(0.9, "initial-loss-too-low"), (-0.9, None)])
def test_scores_that_labels_are_added_to_know_them_at_once(margin: float, expected: str | None) -> None:
    def step(model, optimizer, x, y, index) -> None:
        cosine = F.normalize(model(x)) @ directions
        loss = F.cross_entropy(24 * (cosine + margin * F.one_hot(y, 8)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    torch.manual_seed(0)
    x, _ = loops.samples()
    y = x[:, :8].argmax(1)
    with watch(quiet=True) as watched:
        model = nn.Sequential(nn.Linear(20, 64), nn.PReLU(), nn.Linear(64, 32))
        directions = F.normalize(torch.randn(32, 8), dim=0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for start in range(0, 256, 32):
            step(model, optimizer, x[start : start + 32], y[start : start + 32], 0)
    found = [kind for kind in kinds(watched) if kind.startswith("initial-loss")]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(("column", "below", "named"), [(0, False, True), (1, False, False), (0, True, False)])
def test_answers_that_are_read_off_the_other_class_are_named(column: int, below: bool, named: bool) -> None:
    x, _ = loops.samples()
    y = (x[:, 0] > 0).long()
    with watch(quiet=True) as watched:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for index in range(60):
            loops.healthy(model, optimizer, x, y, index)
            if index % 15 == 14:
                with torch.no_grad():
                    F.cross_entropy(model(x), y)
                    probability = model(x).softmax(1)[:, column]
                    found = (probability < 0.5).long() if below else (probability > 0.5).long()
                    (found == y).float().mean()
    assert ("metric-contradicts-loss" in kinds(watched)) is named


class Tokens(nn.Module):
    """Gives its own loss where it is given targets."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(12, 16), nn.Linear(16, 12)

    def forward(self, ids: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
        logits = self.out(self.words(ids))
        return logits, None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@pytest.mark.parametrize(("shift", "named"), [(0, True), (1, False)])
def test_targets_that_equal_the_inputs_are_seen_where_the_model_computes_its_loss(shift: int, named: bool) -> None:
    torch.manual_seed(0)
    data = torch.randint(12, (64, 11))
    with watch(quiet=True) as watched:
        model = Tokens()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(12):
            rows = torch.randint(64, (32,))
            _, loss = model(data[rows, :10], data[rows, shift : shift + 10])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert ("next-token-not-shifted" in kinds(watched)) is named
