"""A delicate training, and everything that a careless check might do to it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from checks_controls import blobs
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from trainwright.checks.subject import Subject
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
