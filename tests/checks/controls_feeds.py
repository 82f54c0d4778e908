"""Inputs, validation data, loaders and penalties that look odd and are right."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from checks_controls import adam, blobs, curve, images, named, perceptron
from controls_targets import Rescaled
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


def few_categories_with_validation() -> Subject:
    """Twenty-five different rows in all: the validation data hold no other ones, and none was copied."""
    first, second = torch.randint(0, 5, (2, 288))
    x = torch.cat([F.one_hot(first, 5), F.one_hot(second, 5)], 1).float()
    y = (first + second + (torch.rand(288) < 0.1)) % 3
    model = perceptron(10, 3)
    data = (x[:192], y[:192])
    return subject_of(model, "cross_entropy", data, optimizer=adam(model), validation=(x[192:], y[192:]))


def truth_table_many_times() -> Subject:
    x = torch.randint(0, 2, (192, 2)).float()
    y = x[:, 0].long() ^ x[:, 1].long()
    model = perceptron(2, 2)
    return subject_of(model, "cross_entropy", (2 * x - 1, y), optimizer=adam(model, 1e-2))


def validation_from_a_later_time() -> Subject:
    """The level drifts, as it does in the world; the preparation is the same."""
    time = torch.arange(360.0)
    series = torch.sin(time / 9) + 0.5 * torch.sin(time / 3.7) + 0.001 * time + 0.05 * torch.randn(360)
    windows = series.unfold(0, 9, 1)
    x, y = windows[:, :8].clone(), windows[:, 8:].clone()
    model = perceptron(8, 1)
    data = (x[:240], y[:240])
    return subject_of(model, "mse", data, optimizer=adam(model), validation=(x[260:], y[260:]))


def images_with_validation_of_the_same_kind() -> Subject:
    x, y = images(160)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3))
    data = (x[:96], y[:96])
    return subject_of(model, "cross_entropy", data, optimizer=adam(model), validation=(x[96:], y[96:]))


def augmented_training_and_plain_validation() -> Subject:
    """Noise, flips and a random brightness on what is trained on, and nothing on what is validated on."""
    x, y = images(160)
    loader = DataLoader(Augmented(x[:96], y[:96]), batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3))
    return subject_of(model, "cross_entropy", loader, optimizer=adam(model), validation=(x[96:], y[96:]))


class Augmented(Dataset[Any]):
    """Images that come out differently at every reading."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> Any:
        x = self.x[place] + 0.2 * torch.randn_like(self.x[place])
        return x * random.uniform(0.9, 1.1) + float(np.random.normal(0, 0.05)), self.y[place]


def seeded(worker: int) -> None:
    """Give numpy and Python in each worker numbers of their own."""
    np.random.seed(torch.initial_seed() % 2**32)
    random.seed(torch.initial_seed())


def two_workers_with_seeds_of_their_own() -> Subject:
    x, y = images(64)
    loader = DataLoader(Augmented(x, y), batch_size=16, shuffle=True, num_workers=2, worker_init_fn=seeded)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3))
    return subject_of(model, "cross_entropy", loader, optimizer=adam(model))


def rare_classes_drawn_more_often() -> Subject:
    x, y = blobs(192, classes=2)
    kept = ((y == 0) | (torch.rand(192) < 0.15)).nonzero()[:, 0]
    x, y = x[kept], y[kept]
    weights = (1 / torch.bincount(y).double())[y]
    sampler = WeightedRandomSampler(weights.tolist(), len(y))
    model = perceptron(8, 2)
    loader = DataLoader(TensorDataset(x, y), batch_size=16, sampler=sampler)
    return subject_of(model, "cross_entropy", loader, optimizer=adam(model))


class Stream(IterableDataset[Any]):
    """Batches without an end; whoever waits for it is told so."""

    def __init__(self) -> None:
        self.centres = torch.randn(3, 8)

    def __iter__(self) -> Iterator[Any]:
        for _ in range(1_000):
            y = torch.randint(0, 3, (16,))
            yield self.centres[y] + 0.7 * torch.randn(16, 8), y
        raise RuntimeError("this stream has no end, and nobody may read so far")


def stream_without_an_end() -> Subject:
    model = perceptron(8, 3)
    return subject_of(model, "cross_entropy", DataLoader(Stream(), batch_size=None), optimizer=adam(model))


def batches_in_a_list() -> Subject:
    x, y = blobs(160)
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", list(zip(x.split(32), y.split(32), strict=True)), optimizer=adam(model))


class Scaled(nn.Module):
    """Scales bytes itself, before anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.float() / 127.5 - 1)


def bytes_that_the_model_scales() -> Subject:
    x, y = images()
    pixels = (127.5 + 50 * x).clamp(0, 255).round()
    model = Scaled()
    return subject_of(model, "cross_entropy", (pixels, y), optimizer=adam(model))


def pixels_of_type_byte_that_the_model_scales() -> Subject:
    x, y = images()
    pixels = (127.5 + 50 * x).clamp(0, 255).to(torch.uint8)
    model = Scaled()
    return subject_of(model, "cross_entropy", (pixels, y), optimizer=adam(model))


def raw_columns_into_a_batch_norm() -> Subject:
    x, y = blobs()
    x = x * torch.tensor([1, 10, 100, 1e3, 1, 1, 0.1, 5]) + torch.tensor([0, 5, 300, 2e3, 0, 1, 0, 40])
    model = nn.Sequential(nn.BatchNorm1d(8), perceptron(8, 4))
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def dark_images_with_empty_borders() -> Subject:
    """Pixels from 0 to 1, most of them 0, and the borders always, as in handwritten digits."""
    x, y = images(size=6)
    x = F.pad((x - 0.6).clamp(0, 2) / 2, (2, 2, 2, 2))
    model = perceptron(100, 3)
    model = nn.Sequential(nn.Flatten(), model)
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def small_counts_as_inputs() -> Subject:
    x, y = blobs()
    model = perceptron(8, 4)
    return subject_of(model, "cross_entropy", (torch.poisson(torch.exp(0.4 * x)), y), optimizer=adam(model))


def ages_in_whole_years() -> Subject:
    """Whole numbers that are quantities, and no classes."""
    x, y = curve()
    y = (45 + 14 * y).round().clamp(18, 90)
    model = Rescaled(perceptron(6, 1), y)
    return subject_of(model, nn.L1Loss(), (x, y), optimizer=adam(model))


def targets_without_a_second_dimension() -> Subject:
    x, y = curve()
    model = nn.Sequential(perceptron(6, 1), nn.Flatten(0))
    return subject_of(model, F.mse_loss, (x, y[:, 0]), optimizer=adam(model))


def many_classes_of_which_some_are_rare() -> Subject:
    x, y = blobs(256, classes=4)
    y = y * 10 + (torch.rand(256) * 10 * torch.rand(256)).long()
    model = perceptron(8, 40)
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def penalty_on_the_weights() -> Subject:
    model = perceptron(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    weights = [weight for weight in model.parameters() if weight.dim() > 1]
    subject = subject_of(model, "cross_entropy", blobs(), optimizer=optimizer)
    return dataclasses.replace(subject, penalty=lambda: 1e-4 * torch.stack([(w**2).sum() for w in weights]).sum())


CONTROLS = named(
    few_categories_with_validation,
    truth_table_many_times,
    validation_from_a_later_time,
    images_with_validation_of_the_same_kind,
    augmented_training_and_plain_validation,
    two_workers_with_seeds_of_their_own,
    rare_classes_drawn_more_often,
    stream_without_an_end,
    batches_in_a_list,
    bytes_that_the_model_scales,
    pixels_of_type_byte_that_the_model_scales,
    raw_columns_into_a_batch_norm,
    dark_images_with_empty_borders,
    small_counts_as_inputs,
    ages_in_whole_years,
    targets_without_a_second_dimension,
    many_classes_of_which_some_are_rare,
    penalty_on_the_weights,
)
