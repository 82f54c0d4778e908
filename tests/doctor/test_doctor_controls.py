"""Healthy programs that look ill to a naive rule: no error and no warning."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from doctor_programs import Run, alarms, clouds, curve, fit, network
from torch import nn
from torch.nn import functional as F

from trainwright import Recipe
from trainwright.stages.train import train


class Rescaled(nn.Module):
    """A head that works in the targets' own units."""

    def __init__(self, body: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.body = body
        self.mean, self.std = mean, std

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) * self.std + self.mean


def regressor(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))


def targets_of_ten_thousand(seed: int) -> Run:
    x, y = curve(seed)
    y = 20_000 + 10_000 * y
    return fit(Rescaled(regressor(seed), float(y.mean()), float(y.std())), (x, y), lr=0.03, epochs=12)


def recipe_standardises_targets(seed: int) -> Run:
    changes = {"data.source": "diabetes", "train.epochs": 20, "train.seed": seed, "train.threads": 1}
    return train(Recipe.of(None, **changes, **{"train.device": "cpu"}))


def four_in_a_batch(seed: int) -> Run:
    return fit(network(seed), clouds(seed, noise=2.5), batch_size=4, epochs=4)


def half_of_the_activations_are_zero(seed: int) -> Run:
    run = fit(network(seed, width=64), clouds(seed), epochs=8)
    zeros = [layer.zero_fraction for layer in run.history.layers if layer.kind == "ReLU"]
    assert max(zeros) > 0.4
    return run


def soft_labels(seed: int) -> Run:
    x, y = clouds(seed)
    soft = F.one_hot(y, 3) * 0.7 + 0.1

    def against_shares(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target)

    return fit(network(seed), (x, soft), loss=against_shares, epochs=14)


def smoothed_labels(seed: int) -> Run:
    return fit(network(seed), clouds(seed), loss=nn.CrossEntropyLoss(label_smoothing=0.2), epochs=14)


def noisy_labels(seed: int) -> Run:
    x, y = clouds(seed, samples=1200)
    wrong = torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < 0.3
    y = torch.where(wrong, (y + 1) % 3, y)
    return fit(network(seed), (x, y), epochs=5)


def long_warmup(seed: int) -> Run:
    recipe = {"schedule": {"name": "warmup_cosine", "warmup": 0.5}}
    return fit(network(seed), clouds(seed), recipe=recipe, epochs=14)


def cosine(seed: int) -> Run:
    return fit(network(seed), clouds(seed), schedule="cosine", epochs=14)


def step_decay(seed: int) -> Run:
    return fit(network(seed), clouds(seed), schedule="step", lr=0.01, epochs=14)


def fine_tuned_from_near_the_optimum(seed: int) -> Run:
    model, data = network(seed), clouds(seed)
    fit(model, data, epochs=14)
    return fit(model, data, lr=1e-5, epochs=14)


def fine_tuned_from_near_the_optimum_of_noisy_data(seed: int) -> Run:
    model, data = network(seed, width=8), clouds(seed, samples=1200, noise=3.0)
    fit(model, data, epochs=8)
    return fit(model, data, lr=1e-5, epochs=6)


def one_in_fifty(seed: int) -> Run:
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(1600, generator=generator) < 0.02).long()
    x = torch.randn(1600, 8, generator=generator) + 2.0 * y[:, None]
    return fit(network(seed, outputs=1), (x, y), loss="bce_with_logits", batch_size=32, epochs=8)


def one_in_fifty_weighted(seed: int) -> Run:
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(1600, generator=generator) < 0.02).long()
    x = torch.randn(1600, 8, generator=generator) + 1.0 * y[:, None]
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0]))
    return fit(network(seed, outputs=2), (x, y), loss=loss, batch_size=32, epochs=8)


def one_hot_inputs(seed: int) -> Run:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(0, 40, (600, 3), generator=generator)
    x = F.one_hot(words, 40).sum(1).float()
    return fit(network(seed, inputs=40), (x, (words < 10).any(1).long() + (words > 35).any(1)), lr=0.01, epochs=6)


def sparse_inputs(seed: int) -> Run:
    x, y = clouds(seed, features=30)
    keep = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) < 0.1
    return fit(network(seed, inputs=30), (x * keep, y), epochs=6)


def layer_norm_first(seed: int) -> Run:
    x, y = clouds(seed)
    return fit(nn.Sequential(nn.LayerNorm(8), *network(seed)), (1000 * x + 300, y))


def negative_loss(seed: int) -> Run:
    def log_density(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mean, log_std = output[:, 0], output[:, 1].clamp(-5, 5)
        return (log_std + 0.5 * ((target[:, 0] - mean) / log_std.exp()).square()).mean()

    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    x, y = curve(seed, noise=0.01)
    run = fit(model, (x, torch.stack([y, y], 1)), loss=log_density, lr=0.03, epochs=20)
    assert run.outcome.best["validation"]["loss"] < 0
    return run


def frozen_backbone(seed: int) -> Run:
    model = network(seed)
    for layer in list(model)[:4]:
        layer.requires_grad_(False)
    return fit(model, clouds(seed), lr=0.01)


def log_softmax_layer(seed: int) -> Run:
    return fit(nn.Sequential(*network(seed), nn.LogSoftmax(dim=1)), clouds(seed))


def log_probabilities_for_nll_loss(seed: int) -> Run:
    return fit(nn.Sequential(*network(seed), nn.LogSoftmax(dim=1)), clouds(seed), loss=nn.NLLLoss())


def twenty_classes(seed: int) -> Run:
    return fit(network(seed, outputs=20, width=64), clouds(seed, classes=20, samples=1200), epochs=5)


def ends_early_by_plan(seed: int) -> Run:
    return fit(network(seed), clouds(seed), epochs=1)


def dropout_net(seed: int) -> Run:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for size in (8, 64):
        layers += [nn.Linear(size, 64), nn.ReLU(), nn.Dropout(0.5)]
    return fit(nn.Sequential(*layers, nn.Linear(64, 3)), clouds(seed))


CONTROLS: list[Callable[[int], Run]] = [
    targets_of_ten_thousand,
    recipe_standardises_targets,
    four_in_a_batch,
    half_of_the_activations_are_zero,
    soft_labels,
    smoothed_labels,
    noisy_labels,
    long_warmup,
    cosine,
    step_decay,
    fine_tuned_from_near_the_optimum,
    fine_tuned_from_near_the_optimum_of_noisy_data,
    one_in_fifty,
    one_in_fifty_weighted,
    one_hot_inputs,
    sparse_inputs,
    layer_norm_first,
    negative_loss,
    frozen_backbone,
    log_softmax_layer,
    log_probabilities_for_nll_loss,
    twenty_classes,
    ends_early_by_plan,
    dropout_net,
]


@pytest.mark.parametrize("program", CONTROLS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_healthy_program_is_left_alone(program: Callable[[int], Run], seed: int) -> None:
    assert alarms(program(seed)) == []
