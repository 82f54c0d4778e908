"""Parts without a gradient, hidden, frozen, shared or idle on purpose."""

from __future__ import annotations

import copy
import dataclasses

import torch
from checks_controls import adam, blobs, images, named, perceptron
from controls_plain import successors
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.parts import models
from trainwright.records import DataShape
from trainwright.stages.subject import subject_of


class TiedAutoencoder(nn.Module):
    """Decodes with the transpose of what it encodes with."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 4)
        self.bias = nn.Parameter(torch.zeros(12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(torch.tanh(self.encoder(x)), self.encoder.weight.T, self.bias)


def decoder_tied_to_the_encoder() -> Subject:
    x = torch.randn(160, 4) @ torch.randn(4, 12) / 2 + 0.1 * torch.randn(160, 12)
    model = TiedAutoencoder()
    return subject_of(model, "mse", (x, x.clone()), optimizer=adam(model))


def output_tied_to_the_embedding() -> Subject:
    shape = DataShape(input_shape=(8,), outputs=10, task="classification", vocabulary=10)
    options = {"layers": 1, "heads": 2, "width": 16, "dropout": 0.0, "tied": True, "positions": "learned"}
    model = models.build("transformer", shape, options)
    return subject_of(model, "cross_entropy", successors(), optimizer=adam(model, 1e-3))


class Tuned(nn.Module):
    """A convolutional backbone that stays as it is, batch norm in evaluation, and a head that learns."""

    def __init__(self, *, frozen: bool) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten()),
        )
        self.head = nn.Linear(256, 3)
        self.frozen = frozen
        if frozen:
            self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> Tuned:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frozen:
            return self.head(self.backbone(x))
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)


def _tuned(*, frozen: bool) -> Subject:
    x, y = images()
    model = Tuned(frozen=frozen)
    with torch.no_grad():  # what pretraining would have left in the statistics
        for layer in model.backbone:
            layer.train()
        for _ in range(40):
            model.backbone(x)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=3e-3)
    return dataclasses.replace(subject_of(model.train(), "cross_entropy", (x, y), optimizer=optimizer), pretrained=True)


def frozen_backbone_with_batch_norm_in_evaluation() -> Subject:
    return _tuned(frozen=True)


def linear_probe_on_features_without_gradient() -> Subject:
    return _tuned(frozen=False)


class Taught(nn.Module):
    """Follows a teacher that hides in a plain list and is averaged from it; its features are an input beside x."""

    def __init__(self) -> None:
        super().__init__()
        self.student = perceptron(8, 12, depth=1)
        self.head = nn.Linear(24, 4)
        self.teacher = [copy.deepcopy(self.student)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            if self.training:
                for slow, fast in zip(self.teacher[0].parameters(), self.student.parameters(), strict=True):
                    slow.lerp_(fast, 0.01)
            hints = self.teacher[0](x)
        return self.head(torch.cat([self.student(x), hints], 1))


def averaged_teacher_in_a_plain_list() -> Subject:
    model = Taught()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


def distilled_from_a_teacher_in_the_loss() -> Subject:
    x, y = blobs()
    teacher, model = perceptron(8, 4).eval(), perceptron(8, 4)

    class Distilled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student, self.guides = model, [teacher]

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.no_grad():
                guide = self.guides[0](x)
            return self.student(x), guide

    def both(output: tuple[torch.Tensor, torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        guess, guide = output
        return F.cross_entropy(guess, target) + 0.1 * F.mse_loss(guess, guide)

    student = Distilled()
    return subject_of(student, both, (x, y), optimizer=adam(student))


class Conditioned(nn.Module):
    """A second part reads what the first found, but may not change it; the first has a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = perceptron(8, 4, depth=1), perceptron(12, 4, depth=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        coarse = self.first(x)
        return coarse, self.second(torch.cat([x, coarse.detach()], 1))


def detached_conditioning() -> Subject:
    def both(output: tuple[torch.Tensor, torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output[0], target) + F.cross_entropy(output[1], target)

    model = Conditioned()
    return subject_of(model, both, blobs(), optimizer=adam(model))


class TwoHeads(nn.Module):
    """Has a head for later that this training does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 24), nn.ReLU())
        self.head, self.spare = nn.Linear(24, 4), nn.Linear(24, 7)

    def forward(self, x: torch.Tensor, *, spare: bool = False) -> torch.Tensor:
        return (self.spare if spare else self.head)(self.trunk(x))


def unused_head() -> Subject:
    model = TwoHeads()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Experts(nn.Module):
    """Each sample goes to its best expert; one of them nobody chooses yet."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 4)
        self.experts = nn.ModuleList(perceptron(8, 16, depth=1) for _ in range(4))
        self.head = nn.Linear(16, 4)
        with torch.no_grad():
            self.gate.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -6.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = self.gate(x).softmax(1)
        share, chosen = shares.max(1)
        mixed = x.new_zeros(len(x), 16)
        for place, expert in enumerate(self.experts):
            mine = (chosen == place).nonzero()[:, 0]
            if len(mine):
                mixed = mixed.index_add(0, mine, share[mine, None] * expert(x[mine]))
        return self.head(mixed)


def experts_of_which_one_is_idle() -> Subject:
    model = Experts()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


class Deep(nn.Module):
    """Blocks that are left out at random in training."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 24), nn.Linear(24, 4)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 24), nn.GELU()) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enter(x)
        for block in self.blocks:
            if not self.training:
                x = x + 0.8 * block(x)
            elif torch.rand(()) < 0.8:
                x = x + block(x)
        return self.leave(x)


def stochastic_depth() -> Subject:
    model = Deep()
    return subject_of(model, "cross_entropy", blobs(), optimizer=adam(model))


CONTROLS = named(
    decoder_tied_to_the_encoder,
    output_tied_to_the_embedding,
    frozen_backbone_with_batch_norm_in_evaluation,
    linear_probe_on_features_without_gradient,
    averaged_teacher_in_a_plain_list,
    distilled_from_a_teacher_in_the_loss,
    detached_conditioning,
    unused_head,
    experts_of_which_one_is_idle,
    stochastic_depth,
)
