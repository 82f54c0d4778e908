from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from checks_controls import adam, blobs, control
from checks_fingerprint import differences, fingerprint, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from trainwright.checks.footprint import untouched
from trainwright.checks.subject import Subject
from trainwright.data.batches import batches_of
from trainwright.stages.subject import subject_of


class Delicate(nn.Module):
    """Has all that a model may carry: statistics, tied weights, hidden modules, memory, counters, odd gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(8, 6)
        self.norm = nn.BatchNorm1d(6)
        self.tied = nn.Linear(8, 6)
        self.tied.weight = self.enter.weight
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.leave = nn.Linear(6, 4)
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("scratch", torch.full((3,), float("nan")), persistent=False)
        self.teacher = [nn.Linear(8, 6)]
        self.memory = torch.zeros(6)
        self.history: deque[float] = deque(maxlen=3)
        self.calls, self.notes = 0, {"loss": 1.0}
        self.norm.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.history.append(float(self.calls))
        self.notes[f"call {self.calls}"] = 0.0
        if self.training:
            self.seen = self.seen + 1
            self.memory.add_(1.0)
        return self.leave(F.dropout(self.frozen(self.norm(self.enter(x) + self.tied(x))), 0.1, self.training))


def delicate() -> Subject:
    """Return a subject in the middle of a training: gradients on some parameters, an optimizer with a state."""
    torch.manual_seed(1)
    model = Delicate()
    model.enter.bias.register_hook(lambda gradient: gradient * 1.0)
    model.leave.register_forward_hook(lambda *_: None)
    optimizer = torch.optim.AdamW(
        [{"params": list(model.enter.parameters()), "weight_decay": 0.0}, {"params": list(model.leave.parameters())}],
        lr=torch.tensor(1e-3),
    )
    x, y = blobs(32)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(2))
    subject = subject_of(model, nn.CrossEntropyLoss(), loader, optimizer=optimizer)
    subject.value().backward()
    optimizer.step()
    model.leave.weight.grad = None
    return subject


Vandalism = Callable[[Subject], object]


def _weights(subject: Subject) -> list[nn.Parameter]:
    return list(subject.model.parameters())


def change_weights_in_place(subject: Subject) -> None:
    with torch.no_grad():
        for weight in _weights(subject):
            weight.mul_(1.5).add_(1.0)


def point_weights_elsewhere(subject: Subject) -> None:
    for weight in _weights(subject):
        weight.data = torch.zeros(2, 2)


def replace_weights(subject: Subject) -> None:
    for module in subject.model.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(torch.zeros_like(module.weight))


def untie_and_delete(subject: Subject) -> None:
    del subject.model.get_submodule("tied").bias


def become_double(subject: Subject) -> None:
    subject.model.double()


def replace_gradients(subject: Subject) -> None:
    for weight in _weights(subject):
        if weight.requires_grad:
            weight.grad = torch.ones_like(weight)


def change_gradients_in_place(subject: Subject) -> None:
    for weight in _weights(subject):
        if weight.grad is not None:
            weight.grad.add_(1.0)


def erase_gradients(subject: Subject) -> None:
    subject.model.zero_grad(set_to_none=True)


def go_backward(subject: Subject) -> None:
    subject.value().backward()


def replace_buffers(subject: Subject) -> None:
    for module in subject.model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer + 1)


def fill_buffers(subject: Subject) -> None:
    for buffer in subject.model.buffers():
        buffer.zero_()


def entangle_a_buffer(subject: Subject) -> None:
    with torch.enable_grad():
        subject.model.get_buffer("scratch").mul_(torch.ones(3, requires_grad=True))


def flip_modes(subject: Subject) -> None:
    for module in subject.model.modules():
        module.training = not module.training


def evaluate(subject: Subject) -> None:
    subject.model.eval()


def flip_what_learns(subject: Subject) -> None:
    for weight in _weights(subject):
        weight.requires_grad_(not weight.requires_grad)


def hook_modules(subject: Subject) -> None:
    for module in subject.model.modules():
        module.register_forward_hook(lambda *_, **__: None, with_kwargs=True, always_call=True)
        module.register_forward_pre_hook(lambda *_: None)
        module.register_full_backward_hook(lambda *_: None)
        module.register_state_dict_post_hook(lambda *_: None)


def hook_weights(subject: Subject) -> None:
    for weight in _weights(subject):
        if weight.requires_grad:
            weight.register_hook(lambda gradient: gradient * 0)
            weight.register_post_accumulate_grad_hook(lambda weight: None)


def hook_everything(subject: Subject) -> None:
    nn.modules.module.register_module_forward_hook(lambda *_: None)


def hook_the_optimizer(subject: Subject) -> None:
    assert subject.optimizer is not None
    subject.optimizer.register_step_pre_hook(lambda *_: None)
    subject.optimizer.register_step_post_hook(lambda *_: None)


def step(subject: Subject) -> None:
    assert subject.optimizer is not None
    replace_gradients(subject)
    subject.optimizer.step()


def forget_the_state(subject: Subject) -> None:
    assert subject.optimizer is not None
    subject.optimizer.state.clear()


def change_state_in_place(subject: Subject) -> None:
    assert subject.optimizer is not None
    for entries in subject.optimizer.state.values():
        for value in entries.values():
            value.add_(1)
        entries["more"] = torch.ones(2)


def add_a_group(subject: Subject) -> None:
    assert subject.optimizer is not None
    subject.optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 7.0})


def drop_a_group(subject: Subject) -> None:
    assert subject.optimizer is not None
    del subject.optimizer.param_groups[1:]


def change_groups(subject: Subject) -> None:
    assert subject.optimizer is not None
    for group in subject.optimizer.param_groups:
        group["lr"], group["new"] = 5.0, 1
        group.pop("eps", None)
        group["params"].reverse()


def raise_the_rate_in_place(subject: Subject) -> None:
    assert subject.optimizer is not None
    for group in subject.optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].mul_(10)


def schedule_it(subject: Subject) -> None:
    assert subject.optimizer is not None
    torch.optim.lr_scheduler.LambdaLR(subject.optimizer, lambda step: 0.5)


def draw_numbers(subject: Subject) -> None:
    torch.rand(5)
    np.random.rand(5)
    random.random()


def seed_everything(subject: Subject) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


def read_the_data(subject: Subject) -> None:
    for _ in subject.loader:
        break
    assert subject.train is not None
    next(iter(subject.train.epoch(3)))


def draw_from_the_loader(subject: Subject) -> None:
    torch.rand(3, generator=subject.loader.generator)


def set_attributes(subject: Subject) -> None:
    model: Any = subject.model
    model.probe, model.calls, model.notes["x"] = object(), -1, 2.0
    model.enter.in_features = 99
    model.forward = lambda x: x


def change_memory(subject: Subject) -> None:
    model: Any = subject.model
    model.memory.sub_(3.0)
    model.history.clear()
    model.memory = torch.ones(2)


def harm_the_hidden_teacher(subject: Subject) -> None:
    teacher: list[nn.Linear] = subject.model.teacher  # type: ignore[assignment]
    with torch.no_grad():
        for module in teacher:
            module.weight.zero_()
            module.eval()
    teacher.append(nn.Linear(1, 1))


def add_modules(subject: Subject) -> None:
    subject.model.add_module("second_probe", nn.BatchNorm1d(3))
    subject.model.register_parameter("extra", nn.Parameter(torch.ones(2)))
    subject.model.register_buffer("more", torch.ones(2), persistent=False)


def wrap_a_module(subject: Subject) -> None:
    subject.model.leave = nn.Sequential(nn.Linear(6, 4), nn.ReLU())


def parametrise(subject: Subject) -> None:
    nn.utils.parametrizations.weight_norm(subject.model.get_submodule("leave"))


def change_the_batch(subject: Subject) -> None:
    subject.x.relu_()
    subject.y.zero_()


def ask_for_input_gradients(subject: Subject) -> None:
    subject.x.requires_grad_(True)
    (subject.x.detach() * 1.0).sum()
    subject.x.grad = torch.ones_like(subject.x)


def turn_the_switches(subject: Subject) -> None:
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.autograd.set_detect_anomaly(True, check_nan=False)


VANDALISMS: tuple[Vandalism, ...] = (
    change_weights_in_place,
    point_weights_elsewhere,
    replace_weights,
    untie_and_delete,
    become_double,
    replace_gradients,
    change_gradients_in_place,
    erase_gradients,
    go_backward,
    replace_buffers,
    fill_buffers,
    entangle_a_buffer,
    flip_modes,
    evaluate,
    flip_what_learns,
    hook_modules,
    hook_weights,
    hook_everything,
    hook_the_optimizer,
    step,
    forget_the_state,
    change_state_in_place,
    add_a_group,
    drop_a_group,
    change_groups,
    raise_the_rate_in_place,
    schedule_it,
    draw_numbers,
    seed_everything,
    read_the_data,
    draw_from_the_loader,
    set_attributes,
    change_memory,
    harm_the_hidden_teacher,
    add_modules,
    wrap_a_module,
    parametrise,
    change_the_batch,
    ask_for_input_gradients,
    turn_the_switches,
)


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


def test_workers_that_stay_are_sent_home() -> None:
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(*blobs(32)), batch_size=8, num_workers=1, persistent_workers=True)
    model = nn.Linear(8, 4)
    before = world()
    with untouched(model, adam(model), loader):
        assert len(list(loader)) == 4
    assert differences(before, world()) == []
