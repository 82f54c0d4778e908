"""Scales in a foreign loop: rates without effect, inputs of any size, and numbers that are none with their samples."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from trainwright.doctor.kinds import find_kind
from trainwright.records import Finding
from trainwright.watching.watch import Watch, watch

Optimizer = Callable[..., torch.optim.Optimizer]


def named(watched: Watch) -> dict[str, Finding]:
    assert watched.problem is None
    return {finding.kind: finding for finding in watched.findings}


def shown(finding: Finding) -> dict[str, object]:
    return {evidence.name: evidence.value for evidence in finding.evidence}


def trained(
    optimizer: Optimizer,
    *,
    steps: int = 320,
    scale: float = 1.0,
    warmup: int = 0,
    model: nn.Module | None = None,
    target: Callable[[torch.Tensor], torch.Tensor] = lambda x: x[:, :3].argmax(1),
) -> Watch:
    x, _ = loops.samples(512)
    y = target(x)
    with watch(quiet=True) as watched:
        model = loops.network() if model is None else model
        made = optimizer(model.parameters())
        rates = [group["lr"] for group in made.param_groups]
        for index in range(steps):
            for group, rate in zip(made.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, (index + 1) / warmup) if warmup else rate
            rows = torch.arange(32 * index, 32 * index + 32) % len(x)
            loss = F.cross_entropy(model(scale * x[rows]), y[rows])
            made.zero_grad()
            loss.backward()
            made.step()
    return watched


def sgd(rate: float) -> Optimizer:
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


class TestRatesWithoutEffect:
    @pytest.mark.parametrize("rate", [1e-7, 1e-5, 1e-3])
    def test_a_rate_at_which_the_weights_stand_still_is_named_and_not_its_symptom(self, rate: float) -> None:
        findings = named(trained(sgd(rate)))
        assert [*findings] == ["learning-rate-too-low"]
        ratio = shown(findings["learning-rate-too-low"])["mean ratio of an update to the weights"]
        assert isinstance(ratio, float)
        assert 0.03 * rate < ratio < 3 * rate
        change = findings["learning-rate-too-low"].remedies[0].change
        assert change is not None
        assert float(change["optimizer.lr"]) >= 1e-3

    def test_it_is_named_where_no_other_step_could_be_tried(self) -> None:
        class Counting(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.calls = loops.network(), 0

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                self.calls += 1
                return self.inner(x)

        watched = trained(sgd(1e-5), model=Counting())
        assert not any(record.probe for record in watched.chart.steps)
        assert [*named(watched)] == ["learning-rate-too-low"]

    def test_a_usual_rate_is_not_too_low_whatever_can_be_learnt(self) -> None:
        noise = torch.randint(0, 3, (512,), generator=torch.Generator().manual_seed(3))
        for target in (lambda x: x[:, :3].argmax(1), lambda x: noise):
            assert "learning-rate-too-low" not in named(trained(sgd(0.1), target=target))

    def test_the_foot_of_a_warmup_is_no_low_rate(self) -> None:
        assert "learning-rate-too-low" not in named(trained(sgd(1e-2), steps=210, warmup=20_000))

    def test_a_trained_network_that_is_kept_as_it_is_is_no_case(self) -> None:
        model = loops.network()
        trained(lambda parameters: torch.optim.Adam(parameters, lr=1e-2), model=model)
        assert named(trained(sgd(1e-6), model=model)) == {}

    def test_gradients_that_vanish_ask_for_no_other_rate(self) -> None:
        torch.manual_seed(0)
        layers = [layer for _ in range(9) for layer in (nn.Linear(32, 32), nn.Sigmoid())]
        model = nn.Sequential(nn.Linear(20, 32), nn.Sigmoid(), *layers, nn.Linear(32, 3))
        assert "learning-rate-too-low" not in named(trained(sgd(1e-2), model=model))


class TestScalesOfInputs:
    def test_a_rate_that_inputs_make_too_high_is_their_fault(self) -> None:
        findings = named(trained(sgd(0.3), scale=100.0))
        assert [*findings] == ["inputs-not-normalised"]
        assert findings["inputs-not-normalised"].severity == "error"

    def test_wide_inputs_that_are_learnt_all_the_same_stay_a_warning(self) -> None:
        watched = trained(lambda parameters: torch.optim.Adam(parameters, lr=1e-3), scale=100.0)
        assert [finding.severity for finding in watched.findings if finding.kind == "inputs-not-normalised"] == [
            "warning"
        ]

    def test_a_rate_that_is_too_high_for_any_inputs_is_called_so(self) -> None:
        assert [*named(trained(sgd(300.0)))] == ["learning-rate-too-high"]

    def test_numbers_beyond_the_range_are_no_missing_entries(self) -> None:
        x, _ = loops.samples()
        x[:, 4] = 1e4 * x[:, 4]
        y = x[:, :1] + x[:, 1:2]
        with watch(quiet=True) as watched:
            model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for index in range(12):
                rows = slice(32 * index % len(x), 32 * index % len(x) + 32)
                loss = F.mse_loss(model(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        assert [*named(watched)] == ["inputs-not-normalised"]


def run_over(x: torch.Tensor, y: torch.Tensor, *, workers: int = 0) -> Watch:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, num_workers=workers)
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(2):
            for inputs, labels in loader:
                loss = F.cross_entropy(model(inputs), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return watched


class TestSamplesThatAreNoNumbers:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_missing_entry_is_named_with_the_index_of_its_sample(self, workers: int) -> None:
        x, y = loops.samples()
        x[137, 3] = float("nan")
        findings = named(run_over(x, y, workers=workers))
        assert [*findings] == ["non-finite-input"]
        facts = shown(findings["non-finite-input"])
        assert facts["its index in the data set"] == 137
        assert facts["samples of the batch with such a value"] == 1

    def test_batches_that_are_cut_by_hand_have_rows_and_no_index(self) -> None:
        x, _ = loops.samples()
        x[69] = float("inf")
        with watch(quiet=True) as watched:
            model = loops.network()
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
            for start in range(0, 256, 32):
                loops.healthy(model, optimizer, x[start : start + 32], x[start : start + 32, :3].argmax(1), 0)
        findings = named(watched)
        assert [*findings] == ["non-finite-input"]
        facts = shown(findings["non-finite-input"])
        assert facts["row of the first in its batch, counted from 0"] == 5
        assert "its index in the data set" not in facts

    def test_an_output_that_is_no_number_is_no_output_that_ignores_its_input(self) -> None:
        for kind in ("non-finite-input", "non-finite-loss"):
            assert {"outputs-ignore-input", "collapsed-predictions"} <= {*find_kind(kind).causes}
