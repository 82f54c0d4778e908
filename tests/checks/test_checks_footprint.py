from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from checks_controls import adam, blobs, control
from checks_fingerprint import differences, fingerprint, world
from checks_vandalism import (
    VANDALISMS,
    Vandalism,
    add_a_group,
    delicate,
    flip_modes,
    hook_modules,
    parametrise,
    read_the_data,
    replace_weights,
    step,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from trainwright.checks.footprint import untouched
from trainwright.checks.subject import Subject
from trainwright.data.batches import batches_of


def guard(subject: Subject) -> Any:
    return untouched(
        subject.model,
        subject.optimizer,
        subject.loader,
        also=(subject.loss, subject.x, subject.y),
        feeds=(subject.train, subject.validation),
    )


@pytest.mark.parametrize("vandalism", VANDALISMS, ids=lambda function: function.__name__)
def test_each_vandalism_is_undone(vandalism: Vandalism) -> None:
    subject = delicate()
    before = fingerprint(subject)
    with guard(subject):
        vandalism(subject)
    assert differences(before, fingerprint(subject)) == []


@pytest.mark.parametrize("vandalism", VANDALISMS, ids=lambda function: function.__name__)
def test_the_fingerprint_would_show_each_vandalism(vandalism: Vandalism) -> None:
    """A test of the test: what does not show cannot be claimed to be undone."""
    subject = delicate()
    with guard(subject):
        before = fingerprint(subject)
        vandalism(subject)
        assert differences(before, fingerprint(subject)) != []


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(VANDALISMS), min_size=2, max_size=8), st.booleans())
def test_any_sequence_of_vandalism_is_undone(sequence: list[Vandalism], raises: bool) -> None:
    subject = delicate()
    before = fingerprint(subject)
    with suppress(ArithmeticError), guard(subject):
        for vandalism in sequence:
            with suppress(Exception):  # one may leave nothing that the next can work on
                vandalism(subject)
        if raises:
            raise ArithmeticError
    assert differences(before, fingerprint(subject)) == []


def test_the_training_goes_on_as_if_nothing_had_been() -> None:
    def go_on(subject: Subject) -> list[float]:
        torch.manual_seed(4)
        values = []
        assert subject.optimizer is not None
        for x, y in subject.loader:
            subject.optimizer.zero_grad()
            value = subject.value(x, y)
            value.backward()
            subject.optimizer.step()
            values.append(value.item())
        return values

    disturbed = delicate()
    with guard(disturbed):
        for vandalism in (step, hook_modules, replace_weights, flip_modes, parametrise, add_a_group, read_the_data):
            vandalism(disturbed)
    assert go_on(disturbed) == go_on(delicate())


def test_a_graph_that_was_built_before_is_still_good() -> None:
    subject = control("plain mlp", 0)
    value = subject.value()
    with guard(subject):
        change_weights_in_place_by_data(subject)
    value.backward()
    assert all(weight.grad is not None for weight in subject.model.parameters())


def change_weights_in_place_by_data(subject: Subject) -> None:
    for weight in subject.model.parameters():
        weight.data.add_(1.0)


def test_wherever_the_random_state_stands_the_block_draws_the_same() -> None:
    model = nn.Linear(2, 2)
    draws = []
    for _ in range(2):
        torch.rand(3)
        with untouched(model, seed=5):
            draws.append((torch.rand(2).tolist(), float(np.random.rand()), random.random()))
    assert draws[0] == draws[1]


class Drawn(Sampler[int]):
    """A sampler with a place of its own: an order that is shuffled in place, and how often it was read."""

    def __init__(self, count: int) -> None:
        self.order, self.passes, self.random = list(range(count)), 0, random.Random(3)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        self.passes += 1
        self.random.shuffle(self.order)
        return iter(list(self.order))


class Noisy(Dataset[Any]):
    """A data set with a generator of its own, and an array that counts what was read."""

    def __init__(self) -> None:
        self.x, self.y = blobs(24)
        self.noise, self.reads = np.random.default_rng(3), np.zeros(24)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> Any:
        self.reads[place] += 1
        return self.x[place] + float(self.noise.normal()), self.y[place]


def test_samplers_and_data_sets_of_ones_own_stand_where_they_stood() -> None:
    def passes(loader: DataLoader[Any]) -> Any:
        return [(x.tolist(), y.tolist()) for _ in range(2) for x, y in loader]

    torch.manual_seed(0)
    data = Noisy()
    loader = DataLoader(torch.utils.data.Subset(data, range(20)), batch_size=5, sampler=Drawn(20))
    model = nn.Linear(8, 4)
    with untouched(model, None, loader):
        seen = passes(loader)
    assert data.reads.sum() == 0
    assert passes(loader) == seen


def test_a_feed_puts_back_the_generator_of_the_loader_behind_it() -> None:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(*blobs(32)), batch_size=8, shuffle=True, generator=torch.Generator())
    feed = batches_of(loader, batch_size=8, seed=0)
    before = loader.generator.get_state()  # type: ignore[union-attr]
    with untouched(nn.Linear(8, 4), feeds=(feed,)):
        list(feed.epoch(0))
        list(feed.in_order())
    assert torch.equal(loader.generator.get_state(), before)  # type: ignore[union-attr]


def test_batches_in_a_list_keep_their_values_where_the_model_works_in_place() -> None:
    torch.manual_seed(0)
    x, y = blobs(32)
    data = list(zip(x.split(8), y.split(8), strict=True))
    before = x.clone()
    with untouched(nn.ReLU(inplace=True), None, data):
        for part, _ in data:
            part.relu_()
    assert torch.equal(x, before)


def test_what_a_loss_holds_is_put_back_too() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)

        def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(self.norm(output), target)

    torch.manual_seed(0)
    model, loss, (x, y) = nn.Linear(8, 4), Centred(), blobs(32)

    def closing(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return loss(output, target)

    for function in (loss, closing, loss.forward):
        state = {name: value.clone() for name, value in loss.state_dict().items()}
        with untouched(model, also=(function,)):
            function(model(x), y)
        assert all(torch.equal(value, state[name]) for name, value in loss.state_dict().items())


def test_unusual_tensors_do_not_stop_the_guard() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lazy, self.table = nn.LazyLinear(3), nn.Embedding(5, 2, sparse=True)
            self.register_buffer("wide", torch.ones(1).expand(4))
            self.register_buffer("map", torch.eye(3).to_sparse())
            self.register_buffer("none", None)
            self.tables: Any = OrderedDict(a=[1, {"b": {2, 3}}])

    model = Odd()
    model.table(torch.tensor([1, 2])).sum().backward()
    gradient = model.table.weight.grad
    assert gradient is not None
    value = gradient.to_dense().clone()
    with untouched(model, torch.optim.SparseAdam(model.table.parameters()), also=(torch.ones(1).expand(4),)):
        model.table(torch.tensor([1, 3])).sum().backward()
        model.tables["a"][1]["b"].add(9)
        model.tables["c"] = 1
    assert model.table.weight.grad is gradient
    assert torch.equal(gradient.to_dense(), value)
    assert model.tables == OrderedDict(a=[1, {"b": {2, 3}}])


def test_batches_made_in_inference_mode_do_not_stop_the_guard() -> None:
    with torch.inference_mode():
        x = torch.ones(4, 2)
    model = nn.Linear(2, 2)
    with untouched(model, also=(x,)):
        model(x.clone())
    assert x.sum() == 8


def test_schedulers_stand_where_they_stood() -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    parts = [torch.optim.lr_scheduler.ConstantLR(optimizer), torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, list(parts), milestones=[3])
    before = str(scheduler.state_dict()), str(optimizer.param_groups)
    with untouched(model, optimizer, also=(scheduler,)):
        for _ in range(5):
            optimizer.step()
            scheduler.step()
    assert (str(scheduler.state_dict()), str(optimizer.param_groups)) == before


def test_workers_that_stay_are_sent_home() -> None:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(*blobs(32)), batch_size=8, num_workers=1, persistent_workers=True)
    model = nn.Linear(8, 4)
    before = world()
    with untouched(model, adam(model), loader):
        assert len(list(loader)) == 4
    assert differences(before, world()) == []
