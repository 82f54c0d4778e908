"""The verb verify: what it takes, what it refuses, and that it leaves everything as it was."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.checks.catalogue import CATALOGUE
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.randomness import isolated
from trainwright.stages.verify import choose_checks
from trainwright.tensors import digest


def net(*, softmax: bool = False, outputs: int = 3) -> nn.Module:
    with isolated(1):
        layers = [nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, outputs)]
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)
    return nn.Sequential(*layers, *([nn.Softmax(1)] if softmax else []))


def clouds(samples: int = 240) -> tuple[torch.Tensor, torch.Tensor]:
    with isolated(2):
        y = torch.arange(samples) % 3
        x = torch.randn(samples, 4) + 2 * torch.nn.functional.one_hot(y, 4).float()
        order = torch.randperm(samples)
    return x[order], y[order]


def loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*clouds()), batch_size=32, shuffle=True)


def test_a_sound_training_is_ready() -> None:
    model = net()
    report = tw.verify(model, "cross_entropy", loader(), optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3))
    assert [finding.kind for finding in report.findings if finding.severity != "note"] == []
    assert report.ok
    assert {result.check for result in report.results} == set(CATALOGUE)
    assert all(result.status in ("passed", "skipped") for result in report.results)
    assert all(result.reason for result in report.results if result.status == "skipped")


def test_a_softmax_before_the_loss_is_an_error_with_its_name() -> None:
    report = tw.verify(net(softmax=True), nn.CrossEntropyLoss(), clouds())
    assert not report.ok
    assert report.findings[0].kind == "softmax-before-cross-entropy"
    assert len([finding for finding in report.findings if finding.severity == "error"]) == 1
    assert "error[TW301]" in str(report)


def test_only_the_checks_that_were_asked_for_run() -> None:
    names = list(CATALOGUE)[:2]
    report = tw.verify(net(), "cross_entropy", clouds(), checks=names)
    assert [result.check for result in report.results] == names
    with pytest.raises(UsageError, match="no check 'gradints'"):
        tw.verify(net(), "cross_entropy", clouds(), checks=["gradints"])


def test_what_a_report_says_can_be_read_back_by_any_parser() -> None:
    document = tw.verify(net(softmax=True), "cross_entropy", clouds()).to_json()
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["schema"] == 1
    assert {"check", "status", "seconds", "measured", "value", "expected", "reason", "findings"} <= set(
        document["checks"][0]
    )
    assert document["findings"][0]["code"] == "TW301"


def test_everything_is_as_it_was_afterwards() -> None:
    model, data = net(), loader()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model(clouds()[0]).sum().backward()
    optimizer.step()
    gradients = [parameter.grad for parameter in model.parameters()]
    before = (
        digest(model.state_dict()),
        [gradient.clone() for gradient in gradients if gradient is not None],
        json.dumps(optimizer.state_dict(), default=lambda tensor: tensor.tolist()),
        torch.get_rng_state(),
        np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
    )
    tw.verify(model, "cross_entropy", data, optimizer=optimizer)
    assert digest(model.state_dict()) == before[0]
    assert all(parameter.grad is kept for parameter, kept in zip(model.parameters(), gradients, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(gradients, before[1], strict=True) if a is not None)
    assert json.dumps(optimizer.state_dict(), default=lambda tensor: tensor.tolist()) == before[2]
    assert torch.equal(torch.get_rng_state(), before[3])
    assert np.random.get_state()[1].tolist() == before[4]  # type: ignore[index, union-attr]


def test_a_check_for_which_no_time_is_left_is_not_passed() -> None:
    report = tw.verify(net(), "cross_entropy", clouds(), budget_seconds=0)
    assert {result.status for result in report.results} == {"skipped"}
    assert not report.ok
    assert "nothing could be judged" in str(report)


def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in itertools.count():
        yield clouds(30)


class Endless:
    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return endless()


def test_data_without_an_end_are_read_as_far_as_is_needed() -> None:
    assert tw.verify(net(), "cross_entropy", Endless()).ok


@pytest.mark.parametrize(
    ("model", "loss", "data", "error", "words"),
    [
        ("net", "cross_entropy", clouds(), ModelError, "must be a torch.nn.Module"),
        (net(), "cross_entropi", clouds(), UsageError, "cross_entropy"),
        (net(), 3, clouds(), UsageError, "must be a name or a function"),
        (net(), "cross_entropy", [], DataError, "empty"),
        (net(), "cross_entropy", (torch.zeros(0, 4), torch.zeros(0).long()), DataError, "no samples"),
        (net(), "cross_entropy", endless(), DataError, "read once only"),
        (net(), "cross_entropy", [torch.zeros(3, 4)], DataError, "must be a pair"),
        (net(), "cross_entropy", [(torch.zeros(3, 4), torch.zeros(2).long())], DataError, "differ in number"),
        (net(), "cross_entropy", 5, DataError, "neither a pair"),
        (net(), "cross_entropy", {"x": 1}, DataError, "neither a pair"),
        (net(), "cross_entropy", (torch.zeros(9, 7), torch.zeros(9).long()), ModelError, "cannot take a batch"),
        (net(), lambda output, y: output, clouds(), ModelError, "single number"),
        (net(), lambda output, y: 1 / 0, clouds(), ModelError, "ZeroDivisionError"),
        (nn.Linear(4, 3, device="meta"), "cross_entropy", clouds(), ModelError, "meta"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_checked_is_refused_with_the_reason(
    model: Any, loss: Any, data: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tw.verify(model, loss, data)


def test_arrays_and_several_inputs_are_taken() -> None:
    x, y = clouds()
    assert tw.verify(net(), "cross_entropy", (x.numpy().astype(np.float64), y.numpy())).ok

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return self.net(torch.cat([left, right], 1))

    for inputs in ((x[:, :2], x[:, 2:]), {"left": x[:, :2], "right": x[:, 2:]}):
        report = tw.verify(Two(), "cross_entropy", (inputs, y))
        assert report.findings == []
        assert report.ok


def test_the_quick_checks_are_a_part_of_all() -> None:
    quick, full = choose_checks(extent="quick"), choose_checks(extent="full")
    assert 0 < len(quick) < len(full) == len(CATALOGUE)
    assert all(check.quick for check in quick)


def test_training_runs_the_quick_checks_and_is_the_same_with_and_without_them() -> None:
    runs = {
        extent: tw.fit(net(), clouds(), clouds(60), epochs=2, verify=extent, device="cpu", threads=1)
        for extent in ("off", "quick")
    }
    assert runs["off"].digest == runs["quick"].digest
    events = {extent: [event.name for event in run.history.events] for extent, run in runs.items()}
    assert "verified" in events["quick"]
    assert "verified" not in events["off"]


def test_what_a_check_finds_before_training_is_a_finding_of_the_run() -> None:
    run = tw.fit(net(softmax=True), clouds(), clouds(60), loss="cross_entropy", epochs=1, device="cpu", threads=1)
    kinds = [finding.kind for finding in run.findings]
    assert kinds.count("softmax-before-cross-entropy") == 1


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, y: nn.functional.cross_entropy(o.detach(), y).requires_grad_(),
        lambda o, y: nn.functional.cross_entropy(o.data.requires_grad_(), y),
        lambda o, y: (o.argmax(1) != y).float().mean().requires_grad_(),
    ],
    ids=["detached value", "detached output", "share of errors"],
)
def test_a_loss_that_leads_to_no_weight_is_an_error(loss: Any) -> None:
    assert "loss-detached" in [finding.kind for finding in tw.verify(net(), loss, clouds()).findings]


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.net(x.mul_(0.5))


class CountingLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return nn.functional.cross_entropy(output, y)


def test_neither_counters_nor_samples_nor_a_losss_buffers_are_changed() -> None:
    model, loss, (x, y) = Counting(), CountingLoss(), clouds()
    kept = x.clone()
    tw.verify(model, loss, (x, y), checks=["initial-loss"])
    assert model.calls == 0
    assert float(loss.count) == 0  # type: ignore[arg-type]
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"schedule": "cosine"}, UsageError, "schedule must be"),
        ({"planned_steps": 1.5}, UsageError, "whole number"),
        ({"planned_steps": -5}, UsageError, "whole number"),
        ({"budget_seconds": float("nan")}, UsageError, "from 0"),
        ({"validation": []}, DataError, "empty"),
        ({"validation": "x"}, DataError, "neither a pair"),
        ({"validation": [(torch.zeros(3, 4), torch.zeros(2))]}, DataError, "differ in number"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        tw.verify(net(), "cross_entropy", clouds(), **settings)


def test_lazy_layers_are_left_lazy_and_refused() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ModelError, match="lazy layers"):
        tw.verify(model, "cross_entropy", clouds())
    assert isinstance(model[0], nn.LazyLinear)


def test_a_loader_that_fails_is_an_error_of_the_data() -> None:
    class Broken:
        def __iter__(self) -> Iterator[Any]:
            raise OSError("the disk is gone")
            yield

    with pytest.raises(DataError, match="the disk is gone"):
        tw.verify(net(), "cross_entropy", Broken())


def test_a_penalty_that_leads_to_no_weight_is_found() -> None:
    model = net()
    dead = tw.verify(model, "cross_entropy", clouds(), penalty=lambda: model[0].weight.detach().square().sum())  # type: ignore[index]
    alive = tw.verify(model, "cross_entropy", clouds(), penalty=lambda: 1e-3 * model[0].weight.square().sum())  # type: ignore[index]
    assert "penalty-inert" in [finding.kind for finding in dead.findings]
    assert alive["penalty"].status == "passed"


def test_a_rate_beyond_all_measure_is_too_high() -> None:
    model = net()
    report = tw.verify(model, "cross_entropy", clouds(), optimizer=torch.optim.SGD(model.parameters(), lr=1e6))
    assert "learning-rate-too-high" in [finding.kind for finding in report.findings]


def test_a_number_that_is_not_one_is_found_wherever_it_stands_in_a_pair() -> None:
    x, y = clouds(1_200)
    x[1_100, 2] = float("nan")
    assert tw.verify(net(), "cross_entropy", (x, y)).findings[0].kind == "non-finite-input"
