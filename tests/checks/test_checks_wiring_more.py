"""A second look at wiring: what passes leave behind, torch's schedulers, noise, units by chance, idle inputs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import cases_wiring as nets
import pytest
import torch
from cases_wiring import CLASSES, FEATURES, WIDTH, labelled, made
from cases_wiring_more import STEPS, Noisy, by_lambda, scheduled, units
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from wiring_nets import TwoInputs, kinds, one, two_inputs

import trainwright as tw
from trainwright.checks.configuration import CHECK
from trainwright.checks.gradcheck_copy import displace, doubled
from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.gradcheck_ready import surroundings
from trainwright.checks.gradcheck_rounding import rounding_of
from trainwright.checks.initial_units import dead
from trainwright.checks.run import run_check
from trainwright.doctor.activations import chance_of
from trainwright.errors import ModelError
from trainwright.records import DataShape, Evidence, Finding, Setting
from trainwright.stages.targets import planned_threads
from trainwright.vitals.baselines import baselines, divided
from trainwright.vitals.signal import layer_signals

# What is stored from pass to pass


class Keeping(nets.Plain):
    """Keeps what it computed, in its attributes, its lists, or under the name of a buffer."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.last, self.all = how, None, []
        self.register_buffer("mean", torch.zeros(WIDTH))

    def between(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.how == "uses the last":
            hidden = hidden if self.last is None else hidden + 0.1 * self.last
        self.last = hidden.mean(0)
        self.all.append(hidden)
        self.mean = hidden.detach().mean(0)
        return hidden * float(hidden.sum()) if self.how == "refuses vectors" else hidden


@pytest.mark.parametrize("how", ["keeps", "uses the last", "refuses vectors"])
def test_a_model_that_stores_its_activations_is_checked_before_and_after_it_ran(how: str) -> None:
    batch = labelled()
    model = Keeping(how)
    for _ in range(2):
        check = tw.gradcheck(model, "cross_entropy", batch)
        assert check.ok is (how != "refuses vectors"), str(check)
        assert (check.method == "every entry, vectorised") == (how != "refuses vectors")
        F.cross_entropy(model(batch[0]), batch[1])
    assert len(model.all) == 2
    assert model.last is not None
    assert model.last.shape == (WIDTH,)


SEEN: list[torch.Tensor] = []


class Meter:
    def __init__(self) -> None:
        self.total = torch.zeros(())

    def add(self, value: torch.Tensor) -> None:
        self.total = self.total + value


METER = Meter()


def counting(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    value = F.cross_entropy(output, target)
    SEEN.append(value.detach())
    METER.add(value.detach())
    return value


def test_a_loss_that_keeps_a_record_in_its_file_is_checked_and_the_record_stays_as_it_was() -> None:
    before = METER.total
    assert tw.gradcheck(nets.Plain(), counting, labelled()).verdict == "sound"
    assert SEEN == []
    assert METER.total is before


def test_a_loss_that_fails_only_where_a_weight_is_displaced_is_told_with_what_it_raised() -> None:
    calls = itertools.count()

    def fickle(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if next(calls) >= 3:  # behind two passes at the point, and one for its rounding
            raise RuntimeError("the session is over")
        return F.cross_entropy(output, target)

    with pytest.raises(ModelError, match="once a weight is displaced") as told:
        tw.gradcheck(nets.Plain(), fickle, labelled())
    assert "the session is over" in str(told.value.evidence)
    assert told.value.remedy


def test_a_gradient_check_prints_its_table() -> None:
    check = tw.gradcheck(nets.Plain(), "cross_entropy", labelled())
    lines = str(check).splitlines()
    assert "the gradient is sound" in lines[0]
    for name in check.parameters:
        assert any(f" {name} " in line for line in lines)
    assert check.to_json()["verdict"] == "sound"


# Kinks are no rounding


def _low(model: nn.Module, x: torch.Tensor, y: torch.Tensor, seed: int) -> bool:
    with surroundings(seed):
        double = doubled(model, F.cross_entropy, x, y)
        displace(double.model, seed)
        losses = Losses(double, seed=seed, hold=True)
        found = losses.gradients()
        losses.repeat()
        return rounding_of(losses, found, seed)[1]


def test_a_convolutional_network_with_kinks_at_every_step_is_seen_to_compute_in_float64() -> None:
    """Images with an empty margin, where all places cross a kink together: without zooming 5 and 8 look coarse."""
    from trainwright.parts import models

    shape = DataShape(input_shape=(1, 28, 28), outputs=10, task="classification")
    for seed in (5, 8):
        torch.manual_seed(seed)
        x = torch.zeros(4, 1, 28, 28)
        x[:, :, 4:20, 6:22] = torch.rand(4, 1, 16, 16)
        model = models.build("cnn", shape, {"width": 18, "depth": 3, "dropout": 0.3})
        assert not _low(model, (x - 0.286) / 0.353, torch.randint(0, 10, (4,)), seed)


class Casting(nn.Module):
    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second, self.head = nn.Linear(FEATURES, 64), nn.Linear(64, 64), nn.Linear(64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(hidden.to(self.kind).to(x.dtype))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_rounding_to_a_lower_precision_is_still_seen(kind: torch.dtype) -> None:
    found = []
    for seed in range(4):
        torch.manual_seed(seed)
        x, y = labelled()
        found.append(_low(Casting(kind), x[:4], y[:4], seed))
    assert sum(found) >= 3


# Schedules


def finding_of(make: Callable[[Any], Any], planned: int | None = STEPS) -> Finding | None:
    return next(iter(run_check(scheduled(make, planned=planned), CHECK).findings), None)


def value_of(finding: Finding, name: str) -> Any:
    return next(each.value for each in finding.evidence if isinstance(each, Evidence) and each.name == name)


HEALTHY: dict[str, Callable[[Any], Any]] = {
    "LinearLR": lambda optimizer: lr_scheduler.LinearLR(optimizer, total_iters=5),
    "LambdaLR": by_lambda(lambda step: 1 / (1 + step) ** 0.5),
    "ExponentialLR": lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
    "SequentialLR": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, total_iters=10),
            lr_scheduler.CosineAnnealingLR(optimizer, STEPS - 10),
        ],
        [10],
    ),
    "OneCycleLR": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=STEPS),
    "CosineAnnealingLR": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
    "CosineAnnealingWarmRestarts": lambda optimizer: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 10),
    "MultiStepLR": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [8, 14]),
    "StepLR": lambda optimizer: lr_scheduler.StepLR(optimizer, 8),
    "PolynomialLR": lambda optimizer: lr_scheduler.PolynomialLR(optimizer, STEPS, power=2.0),
    "ChainedScheduler": lambda optimizer: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(optimizer, total_iters=10), lr_scheduler.ExponentialLR(optimizer, 0.99)]
    ),
    "ReduceLROnPlateau": lr_scheduler.ReduceLROnPlateau,
}


@pytest.mark.parametrize("name", HEALTHY)
def test_every_scheduler_of_torch_is_judged_or_says_why_not(name: str) -> None:
    result = run_check(scheduled(HEALTHY[name]), CHECK)
    assert result.findings == ()
    assert "scheduler" in result.measured["judged"]
    if name == "ReduceLROnPlateau":
        assert "follows the measured loss" in result.measured["not_judged"]["rates"]
        assert "follows the measured loss" in result.measured["not_judged"]["schedule"]
    else:
        assert {"rates", "schedule"} <= set(result.measured["judged"])


def test_simulating_a_scheduler_leaves_it_and_its_optimizer_as_they_were() -> None:
    subject = scheduled(HEALTHY["SequentialLR"])
    before, rate = subject.scheduler.last_epoch, subject.optimizer.param_groups[0]["lr"]  # type: ignore[union-attr]
    run_check(subject, CHECK)
    assert subject.scheduler.last_epoch == before
    assert subject.optimizer.param_groups[0]["lr"] == rate  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "planned", "step", "severity"),
    [
        (lambda optimizer: lambda step: 1 - step / 150, STEPS, 151, "error"),
        (lambda optimizer: lambda step: float("nan") if step > 60 else 1.0, STEPS, 61, "error"),
        (lambda optimizer: lambda step: 1 / (90 - step), STEPS, 90, "error"),
        (lambda optimizer: lambda step: None, STEPS, 0, "error"),
        (by_lambda(lambda step: float("inf") if step > 3 else 1.0), STEPS, 4, "error"),
        (by_lambda(lambda step: -1.0 if step == 5 else 1.0), STEPS, 5, "error"),
        (by_lambda(lambda epoch: 1 - epoch / 20), STEPS, 21, "note"),
        (lambda optimizer: lambda step: 1 - step / STEPS, STEPS, None, None),
        (lambda optimizer: lambda step: 1 - step / STEPS, None, STEPS + 1, "note"),
    ],
    ids=["negative", "NaN", "raises", "nothing", "infinite", "once", "by epochs", "to zero", "no plan"],
)
def test_a_rate_that_is_none_is_named_with_its_step(
    make: Callable[[Any], Any], planned: int | None, step: int | None, severity: str | None
) -> None:
    finding = finding_of(make, planned)
    if finding is None:
        assert step is None
        return
    assert (finding.code, finding.severity, finding.step) == ("TW609", severity, step)
    assert value_of(finding, "first step without a usable rate") == step


def test_a_scheduler_of_another_optimizer_is_named_with_both() -> None:
    subject = scheduled(HEALTHY["CosineAnnealingLR"])
    other = torch.optim.Adam(subject.model.parameters(), lr=3e-4)
    finding = finding_of(lambda optimizer: lr_scheduler.StepLR(other, 5))
    assert finding is not None
    assert (finding.code, finding.severity) == ("TW610", "error")
    assert value_of(finding, "StepLR was made for") == "Adam with rate 0.0003"
    assert value_of(finding, "the optimizer that trains") == "SGD with rate 0.1"


# Noise in evaluation mode

ALWAYS: dict[str, Callable[[Noisy, torch.Tensor], torch.Tensor]] = {
    "times a number": lambda net, hidden: hidden + torch.randn(hidden.shape) * 0.1,
    "around one": lambda net, hidden: hidden * (1 + 0.1 * torch.randn_like(hidden)),
    "a mask by hand": lambda net, hidden: hidden * (torch.rand_like(hidden) > 0.3).float() / 0.7,
    "a normal around it": lambda net, hidden: torch.normal(hidden, 0.2),
    "in place": lambda net, hidden: hidden + torch.empty_like(hidden).normal_(0, 0.1),
    "uniform": lambda net, hidden: hidden + 0.2 * (torch.rand_like(hidden) - 0.5),
}
BY_DESIGN: dict[str, Callable[[Noisy, torch.Tensor], torch.Tensor]] = {
    "a code with its own spread": lambda net, hidden: hidden + torch.randn_like(hidden) * net.spread(hidden).exp(),
    "gumbel": lambda net, hidden: F.gumbel_softmax(hidden, 1.0),
    "gumbel by hand": lambda net, hidden: hidden - torch.log(-torch.log(torch.rand_like(hidden))),
    "a diffusion step": lambda net, hidden: hidden + torch.randn_like(hidden) * torch.linspace(0, 1, WIDTH),
    "a generator": lambda net, hidden: hidden * torch.sigmoid(net.spread(torch.randn_like(hidden))),
    "sampled units": lambda net, hidden: hidden * (torch.rand_like(hidden) < torch.sigmoid(net.spread(hidden))),
}


@pytest.mark.parametrize("name", ALWAYS)
def test_noise_of_a_fixed_strength_in_evaluation_is_named_with_its_line(name: str) -> None:
    result = one(made(lambda: Noisy(ALWAYS[name]))(), "modes")
    assert kinds(result) == ["dropout-always-on warning"]
    assert result.findings[0].title == "noise is added in evaluation too"
    assert result.findings[0].where.file == __file__


@pytest.mark.parametrize("name", BY_DESIGN)
def test_a_model_that_is_random_by_design_is_not_accused(name: str) -> None:
    result = one(made(lambda: Noisy(BY_DESIGN[name]))(), "modes")
    assert result.findings == ()
    assert result.measured["difference_between_seeds_in_evaluation"] > 0


# Dead units, by fault and by chance


def _net(width: int, depth: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    sizes = [16, *[width] * depth]
    layers = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, 4))


@pytest.mark.parametrize("width", [16, 64])
def test_a_deep_network_whose_signal_fades_has_dead_units_by_chance_and_is_not_accused(width: int) -> None:
    shares, accused = [], 0
    for seed in range(12):
        model, x = _net(width, 8, seed), torch.randn(96, 16)
        signals = layer_signals(model, lambda model=model, x=x: model(x).square().mean())
        shares.append(max(signal.dead_fraction for signal in signals))
        accused += dead(signals) is not None
    assert max(shares) > 0.5
    assert accused == 0


@pytest.mark.parametrize("width", [16, 24, 64])
def test_the_same_share_of_dead_units_without_any_that_are_always_on_is_a_fault(width: int) -> None:
    for seed in range(4):
        torch.manual_seed(seed)
        model, x = units(nn.ReLU, stuck=0.63, at=-20.0, width=width), torch.randn(96, FEATURES)
        finding = dead(layer_signals(model, lambda model=model, x=x: model(x).square().mean()))
        assert finding is not None
        assert finding.severity == "warning"


def test_the_chance_of_so_many_on_one_side_is_that_of_fair_draws() -> None:
    assert chance_of(0, 5) == 1.0
    assert chance_of(10, 10) == 2.0**-10
    assert chance_of(6, 10) == pytest.approx(386 / 1024)


# An input without effect


class Gated(TwoInputs):
    """Opens the way of its second input in training: at the start it has no effect."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.linear(x) + self.gate * self.embedding(ids)))


def test_an_input_that_is_ignored_is_named_and_one_behind_a_closed_gate_is_not() -> None:
    ignored = one(made(lambda: TwoInputs(blind=True), data=two_inputs)(), "input-matters")
    assert kinds(ignored) == ["outputs-ignore-input note"]
    assert ignored.findings[0].title == "input 1 has no effect on the output"
    assert "without effect: input 1" in ignored.value
    assert one(made(Gated, data=two_inputs)(), "input-matters").findings == ()


# The command, and a single sample


def test_a_recipe_is_verified_with_the_threads_that_it_plans() -> None:
    before = torch.get_num_threads()
    subject = made(nets.Plain)()
    info = dataclasses.replace(subject.info, settings={"train.threads": Setting(value=before + 1)})
    with planned_threads(subject):
        assert torch.get_num_threads() == before
    subject = dataclasses.replace(subject, info=info)
    with planned_threads(subject):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_baselines_of_next_to_no_samples_say_that_these_are_too_few(samples: int) -> None:
    train, held_out = divided((torch.randn(samples, 3), torch.zeros(samples, dtype=torch.long)))
    assert "too few" in baselines(train, held_out, "classification").reason
