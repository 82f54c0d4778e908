"""What finishing trains: further seeds, snapshots, averages of weights, soups behind a barrier, one that is taught."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from torch import nn

from trainwright.data.batches import Batches
from trainwright.data.dataset import Split
from trainwright.ensembles import averages, seeds, snapshots
from trainwright.ensembles.collecting import collected, spaced
from trainwright.ensembles.distillation import Distilling, taught, teacher_of
from trainwright.ensembles.network import Network
from trainwright.ensembles.pool import Pool, pool_of
from trainwright.ensembles.soups import barrier, soups
from trainwright.errors import ModelError
from trainwright.parts.losses import cross_entropy
from trainwright.parts.outputs import Form
from trainwright.parts.schedules import CATALOGUE, fraction_of
from trainwright.randomness import seed_step
from trainwright.stacked.member import Member
from trainwright.training.averaging import refresh_statistics
from trainwright.training.clipping import Clip
from trainwright.training.loop import Training
from trainwright.training.rates import Rates
from trainwright.training.step import TrainStep
from trainwright.vitals.monitor import Monitor

FORM = Form(task="classification")


def blobs(count: int, seed: int, name: str = "train", batch: int = 32) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    x = torch.eye(3)[y] @ torch.ones(3, 6) * y[:, None] + 1.2 * torch.randn(count, 6, generator=generator)
    return Batches(Split(x=x, y=y, name=name, digest=""), batch_size=batch, seed=0)


TRAIN, VALIDATION = blobs(160, 0), blobs(300, 1, "validation")


def net(seed: int = 0, *, norm: bool = True, width: int = 16) -> nn.Sequential:
    torch.manual_seed(seed)
    inner = [nn.BatchNorm1d(width)] if norm else []
    return nn.Sequential(nn.Linear(6, width), *inner, nn.ReLU(), nn.Linear(width, 3))


def training(
    model: nn.Module, schedule: str = "cosine", epochs: int = 6, rate: float = 0.02, **options: float
) -> Training:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    chosen = CATALOGUE[schedule].factory(**options)
    steps = epochs * TRAIN.steps_per_epoch
    step = TrainStep(
        model, cross_entropy, optimizer, rates=Rates(optimizer, chosen, planned_steps=steps), clip=Clip(), seed=0
    )
    return Training(model, TRAIN, step, epochs=epochs, monitor=Monitor(model, step.objective, level="off"))


def network(name: str, model: nn.Module) -> Network:
    return Network(name=name, model=model.eval(), trained={name: 10})


def part(model: nn.Module, place: int) -> Any:
    return cast(Any, model)[place]


def judge(networks: Sequence[Network]) -> Pool:
    return pool_of(networks, VALIDATION, FORM)


@pytest.mark.parametrize("count", [3, 5])
def test_members_trained_together_are_those_that_train_alone(count: int) -> None:
    steps = 12
    models = [net(seed, norm=False) for seed in range(count)]
    members = [
        Member(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.05), loss=cross_entropy, seed=seed)
        for seed, model in enumerate(models)
    ]
    found = seeds.train_rows(members, TRAIN, steps)
    assert found.lane == ("stacked" if count > 3 else "loop")
    assert found.places == tuple(range(count))
    for seed, model in enumerate(found.models):
        alone = net(seed, norm=False)
        optimizer = torch.optim.SGD(alone.parameters(), lr=0.05)
        feed = TRAIN if found.lane == "stacked" else seeds.reordered(TRAIN, seed)
        for step, (x, y) in zip(range(steps), seeds.batches(feed), strict=False):
            seed_step(seed, step)
            optimizer.zero_grad()
            cross_entropy(alone(x), y).backward()
            optimizer.step()
        for one, two in zip(model.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_a_member_is_kept_at_its_best_epoch_and_one_that_diverges_is_left_out() -> None:
    models = [net(0, norm=False, width=64), net(1, norm=False, width=64)]
    rates = [0.5, 1e30]
    members = [
        Member(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9), loss=cross_entropy)
        for model, rate in zip(models, rates, strict=True)
    ]
    steps = 40 * TRAIN.steps_per_epoch
    found = seeds.train_rows(members, TRAIN, steps, validation=VALIDATION, loss=cross_entropy)
    last = seeds.train_rows(members[:1], TRAIN, steps)
    assert found.diverged == (1,)
    best, end = (judge([network("", model)]).loss()(torch.ones(1, dtype=torch.float64))
                 for model in (found.models[0], last.models[0]))  # fmt: skip
    assert best < end
    with pytest.raises(ModelError, match="every further member diverged"):
        seeds.train_rows(members[1:], TRAIN, 10)


def test_snapshots_are_taken_at_the_foot_of_each_cycle() -> None:
    schedule = snapshots.cyclic(CATALOGUE["cosine"].factory(), 3)
    one = training(net(), "cosine_restarts", cycles=3)
    steps = one.planned_steps
    models = snapshots.snapshots(one, schedule, kept=2)
    assert len(models) == 2
    again = training(net(), "cosine_restarts", cycles=3)
    expected = collected(again, [round(2 * steps / 3), steps])
    for found, wanted in zip(models, expected, strict=True):
        assert all(
            torch.equal(a, b) for a, b in zip(found.state_dict().values(), wanted.state_dict().values(), strict=True)
        )
    foot = fraction_of(round(2 * steps / 3) - 1, steps)
    assert schedule.multiple(foot) < 0.06
    assert schedule.multiple(foot + 1 / steps) > 0.9
    assert [snapshots.kept_of(cycles) for cycles in (1, 2, 5)] == [1, 2, 3]


def test_an_average_of_weights_is_their_mean_and_its_statistics_are_those_of_a_fresh_pass() -> None:
    models = [net(seed) for seed in range(3)]
    for model in models:
        collected(training(model, epochs=1), [])
    made = averages.mean_of(models, TRAIN)
    weights = torch.stack([part(model, 0).weight.detach().double() for model in models]).mean(0)
    torch.testing.assert_close(part(made, 0).weight.detach().double(), weights, rtol=0, atol=1e-7)
    fresh = copy.deepcopy(made)
    refresh_statistics(fresh, TRAIN)
    inner = torch.cat([x for x, _ in TRAIN.in_order()]) @ part(made, 0).weight.detach().T + part(made, 0).bias.detach()
    norm = part(made, 1)
    assert torch.equal(norm.running_mean, part(fresh, 1).running_mean)
    assert torch.equal(norm.running_var, part(fresh, 1).running_var)
    # All batches are of one size here, so that the mean over batches is the mean over samples.
    torch.testing.assert_close(norm.running_mean, inner.mean(0), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(
        norm.running_mean, torch.stack([part(m, 1).running_mean for m in models]).mean(0), atol=1e-3
    )


def test_the_originals_are_not_touched_by_averaging() -> None:
    models = [net(seed) for seed in range(2)]
    before = [{name: value.clone() for name, value in model.state_dict().items()} for model in models]
    averages.mean_of(models, TRAIN)
    for model, kept in zip(models, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_a_moving_average_and_the_last_checkpoints_come_from_one_training() -> None:
    found = averages.along(training(net(norm=False), epochs=8), ("ema", "polyak"), decay=0.5)
    assert set(found) == {"ema", "polyak"}
    model, decay = net(norm=False), 0.5
    one = training(model, epochs=8)
    steps = one.planned_steps
    at = spaced(1 - averages.TAIL, steps, averages.POINTS)
    assert at[-1] == steps
    assert at[0] > 0.7 * steps
    moving, kept = part(model, 0).weight.detach().clone(), []
    for record in one.steps():
        weight = part(model, 0).weight.detach().clone()
        moving = moving + (1 - min(decay, (1 + record.step) / (10 + record.step))) * (weight - moving)
        if record.step + 1 in at:
            kept.append(weight)
    torch.testing.assert_close(part(found["ema"], 0).weight.detach(), moving, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        part(found["polyak"], 0).weight.detach(), torch.stack(kept).mean(0), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("cyclic", [False, True])
def test_swa_follows_the_schedule_and_then_holds_the_rate(cyclic: bool) -> None:
    own = CATALOGUE["warmup_cosine"].factory(warmup=0.1)
    schedule = averages.held(own, cyclic=cyclic)
    for fraction in (0.01, 0.05, 0.3, 0.6):
        assert schedule.multiple(fraction) == own.multiple(fraction)
    late = [schedule.multiple(0.8 + step / 1000) for step in range(200)]
    assert max(late) <= averages.HELD
    assert (min(late) < 0.2 * averages.HELD) is cyclic
    assert isinstance(averages.swa(training(net())), nn.Module)


def test_a_training_that_diverges_is_told() -> None:
    with pytest.raises(ModelError, match="diverged"):
        averages.swa(training(net(norm=False), "constant", rate=1e30))


def test_between_networks_of_other_starts_lies_a_hill_and_between_those_of_one_none() -> None:
    far = [net(seed, norm=False, width=32) for seed in (0, 1)]
    for model in far:
        collected(training(model, epochs=30, rate=0.1), [])
    hill = barrier(network("a", far[0]), network("b", far[1]), judge, TRAIN)
    assert not hill.passes
    assert hill.middle > max(hill.ends)
    near = [copy.deepcopy(far[0]) for _ in range(2)]
    for place, model in enumerate(near):
        with torch.no_grad():
            part(model, 0).weight.add_(0.01 * torch.randn(32, 6, generator=torch.Generator().manual_seed(place)))
    flat = barrier(network("a", near[0]), network("b", near[1]), judge, TRAIN)
    assert flat.passes
    made = soups([network("a", far[0]), network("b", far[1])], judge, TRAIN)
    assert made.networks == ()
    assert "no soup" in made.notes[-1]
    assert any("the loss is" in note for note in made.notes)


def test_a_greedy_soup_takes_what_lowers_its_loss_alone() -> None:
    start = net(0, norm=False, width=32)
    collected(training(start, epochs=20), [])
    some = []
    for place in range(4):
        model = copy.deepcopy(start)
        generator = torch.Generator().manual_seed(place)
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.02 * torch.randn(weight.shape, generator=generator)
        some.append(network(f"net {place}", model))
    made = soups(some, judge, TRAIN)
    assert [one.name for one in made.networks][:1] == ["uniform soup"]
    one = torch.ones(1, dtype=torch.float64)
    losses = [judge([made_of]).loss()(one) for made_of in made.networks]
    alone = min(judge([each]).loss()(one) for each in some)
    if len(losses) > 1:
        assert losses[1] < alone
    assert made.networks[0].trained == {f"net {place}": 10 for place in range(4)}


def test_the_loss_of_distilling_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 20, 3, generator=generator).double()
    label = torch.randint(0, 3, (20,), generator=generator)
    target = torch.cat([torch.log_softmax(teacher, 1), label[:, None].double()], 1)
    t, h = 3.0, 0.2
    p, q = torch.softmax(teacher / t, 1), torch.softmax(student / t, 1)
    expected = (1 - h) * t * t * (p * (p / q).log()).sum(1).mean()
    expected += h * -torch.log_softmax(student, 1)[torch.arange(20), label].mean()
    found = Distilling(FORM, temperature=t, hard=h)(student, target)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_teacher_is_asked_once_for_data_that_stay_as_they_are() -> None:
    nets = [network(str(seed), net(seed)) for seed in range(2)]
    teach = teacher_of(nets, torch.tensor([0.5, 0.5], dtype=torch.float64), FORM, "probabilities")
    asked = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return teach(x)

    feed = taught(TRAIN, counted, FORM, once=True)
    assert sum(asked) == TRAIN.samples
    later = taught(TRAIN, teach, FORM, once=False)
    for (x, y), (other, wanted), (same, plain) in zip(feed.epoch(3), later.epoch(3), TRAIN.epoch(3), strict=True):
        assert torch.equal(x, other)
        assert torch.equal(x, same)
        torch.testing.assert_close(y, wanted)
        assert torch.equal(y[:, -1].long(), plain)
    assert sum(asked) == TRAIN.samples
    with pytest.raises(ModelError, match="probabilities of classes"):
        teacher_of(nets, torch.ones(2), Form(task="regression"), "probabilities")
