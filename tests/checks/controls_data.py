"""Unusual inputs, orders, batches, schedules and optimizers that are meant so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from checks_controls import adam, blobs, curve, images, named, perceptron
from checks_controls import sequences as token_sequences
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Sampler, TensorDataset

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


def batches_of_four() -> Subject:
    x, y = blobs(96)
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True)
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", loader, optimizer=adam(model, 1e-3))


class FewClasses(Sampler[list[int]]):
    """Batches of three classes with eight samples each, as metric learning wants them (PK sampling)."""

    def __init__(self, y: torch.Tensor, batches: int) -> None:
        self.places = [(y == label).nonzero()[:, 0] for label in y.unique()]
        self.batches = batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.batches):
            chosen = torch.randperm(len(self.places))[:3].tolist()
            yield [
                int(place)
                for label in chosen
                for place in self.places[label][torch.randperm(len(self.places[label]))[:8]]
            ]


def few_classes_in_each_batch() -> Subject:
    x, y = blobs(192, classes=6)
    loader = DataLoader(TensorDataset(x, y), batch_sampler=FewClasses(y, 12))
    model = perceptron(8, 6)
    return subject_of(model, "cross_entropy", loader, optimizer=adam(model))


def time_series_in_order() -> Subject:
    time = torch.arange(260.0)
    series = torch.sin(time / 9) + 0.5 * torch.sin(time / 3.7) + 0.05 * torch.randn(260)
    windows = series.unfold(0, 9, 1)
    loader = DataLoader(TensorDataset(windows[:, :8].clone(), windows[:, 8:].clone()), batch_size=32, shuffle=False)
    model = perceptron(8, 1)
    return subject_of(model, "mse", loader, optimizer=adam(model))


def words_of_which_most_never_occur() -> Subject:
    _, y = blobs(192, classes=3)
    rates = torch.zeros(3, 60)
    rates[:, :9] = 0.05 + 0.5 * torch.rand(3, 9)
    x = torch.bernoulli(rates[y])
    model = perceptron(60, 3)
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def one_hot_categories() -> Subject:
    first, second = torch.randint(0, 5, (2, 192))
    x = torch.cat([F.one_hot(first, 8), F.one_hot(second, 8)], 1).float()
    y = ((first + second) % 3).long()
    model = perceptron(16, 3)
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def ids_of_categories() -> Subject:
    ids, y = token_sequences()
    model = nn.Sequential(nn.EmbeddingBag(12, 8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    return subject_of(model, "cross_entropy", (ids, y), optimizer=adam(model))


def images_beyond_one() -> Subject:
    """Pixels less the mean over the deviation of another data set: from -2.1 to 2.6, as with ImageNet's numbers."""
    x, y = images(channels=3)
    x = (torch.sigmoid(x) - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / 0.225
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, 3)),
    )
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def tokens_that_do_not_count() -> Subject:
    """Sequences padded to one length, whose padding the loss leaves out."""
    ids, _ = token_sequences()
    lengths = torch.randint(4, 9, (len(ids), 1))
    padded = torch.arange(8) >= lengths
    x, y = torch.where(padded, 12, ids), torch.where(padded, -100, (ids * 5 + 1) % 12)
    model = nn.Sequential(nn.Embedding(13, 16, padding_idx=12), nn.Linear(16, 12))
    head = Swapped(model)
    return subject_of(head, nn.CrossEntropyLoss(ignore_index=-100), (x, y), optimizer=adam(head))


class Swapped(nn.Module):
    """Puts the classes where the loss looks for them: `(N, classes, L)`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).transpose(1, 2)


def _scheduled(multiple: Callable[[int], float], planned_steps: int, rate: float = 3e-3) -> Subject:
    model = perceptron(8, 4)
    return subject_of(
        model, "cross_entropy", blobs(), optimizer=adam(model, rate), schedule=multiple, planned_steps=planned_steps
    )


def warmup_from_almost_nothing() -> Subject:
    return _scheduled(lambda step: min(1.0, (step + 1) / 200), 4_000)


def warmup_from_zero() -> Subject:
    return _scheduled(lambda step: min(1.0, step / 200), 4_000)


def one_cycle() -> Subject:
    def multiple(step: int) -> float:
        part = step / 600
        return 0.04 + 0.96 * (part / 0.3 if part < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (part - 0.3) / 0.7))

    return _scheduled(multiple, 600, rate=1e-2)


def warm_restarts() -> Subject:
    return _scheduled(lambda step: 0.5 + 0.5 * math.cos(math.pi * (step % 100) / 100), 400)


def one_cycle_of_torch() -> Subject:
    model = perceptron(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=300)
    return subject_of(model, "cross_entropy", blobs(), optimizer=optimizer, schedule=schedule, planned_steps=300)


def eight_batches_for_one_step_and_clipping() -> Subject:
    x, y = blobs(256)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    model = perceptron(8, 4)
    subject = subject_of(model, "cross_entropy", loader, optimizer=adam(model))
    return dataclasses.replace(subject, accumulate=8, clip_norm=1.0)


def half_precision_with_weights_in_full() -> Subject:
    model = perceptron(8, 4)
    return dataclasses.replace(subject_of(model, "cross_entropy", blobs(), optimizer=adam(model)), precision="bf16")


def second_order_optimizer() -> Subject:
    model = perceptron(6, 1, width=12, depth=1)
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    return subject_of(model, "mse", curve(), optimizer=optimizer)


def no_optimizer_because_there_are_several() -> Subject:
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", blobs())


class SharpnessAware(torch.optim.Optimizer):
    """Steps uphill, looks, and steps from there: two backward passes a step (Foret et al. 2021)."""

    def __init__(self, weights: Any, rate: float, radius: float = 0.05) -> None:
        super().__init__(weights, {"lr": rate, "radius": radius})
        self.base = torch.optim.SGD(self.param_groups, lr=rate, momentum=0.9)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        if closure is None:
            raise ValueError("this optimizer needs a closure")
        loss = torch.enable_grad()(closure)()
        weights = [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack([weight.grad.norm() for weight in weights]))  # type: ignore[union-attr]
        climbs = [self.param_groups[0]["radius"] / (norm + 1e-12) * weight.grad for weight in weights]
        for weight, climb in zip(weights, climbs, strict=True):
            weight.add_(climb)
        torch.enable_grad()(closure)()
        for weight, climb in zip(weights, climbs, strict=True):
            weight.sub_(climb)
        self.base.step()
        return loss


def sharpness_aware_steps() -> Subject:
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", blobs(), optimizer=SharpnessAware(model.parameters(), 0.05))


CONTROLS = named(
    batches_of_four,
    few_classes_in_each_batch,
    time_series_in_order,
    words_of_which_most_never_occur,
    one_hot_categories,
    ids_of_categories,
    images_beyond_one,
    tokens_that_do_not_count,
    warmup_from_almost_nothing,
    warmup_from_zero,
    one_cycle,
    warm_restarts,
    one_cycle_of_torch,
    eight_batches_for_one_step_and_clipping,
    half_precision_with_weights_in_full,
    second_order_optimizer,
    no_optimizer_because_there_are_several,
    sharpness_aware_steps,
)
