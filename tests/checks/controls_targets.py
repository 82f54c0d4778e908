"""Unusual targets and losses that are meant so: huge, soft, unbalanced, negative, between samples, already small."""

from __future__ import annotations

import dataclasses
from functools import partial

import torch
from checks_controls import adam, blobs, curve, named, perceptron, trained
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.stages.subject import subject_of


class Rescaled(nn.Module):
    """A network whose output is put on the scale of the targets."""

    def __init__(self, network: nn.Module, y: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", y.mean(0))
        self.register_buffer("deviation", y.std(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.get_buffer("mean") + self.get_buffer("deviation") * self.network(x)


def _biased(model: nn.Sequential, values: torch.Tensor) -> nn.Sequential:
    head = model[-1]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.bias.copy_(values)
        head.weight.mul_(0.1)
    return model


def targets_around_ten_thousand_with_the_head_at_their_mean() -> Subject:
    x, y = curve()
    y = 10_000 + y
    model = _biased(perceptron(6, 1), y.mean(0))
    return subject_of(model, F.mse_loss, (x, y), optimizer=adam(model))


def targets_of_many_thousands_on_their_own_scale() -> Subject:
    x, y = curve()
    y = 10_000 + 3_000 * y
    model = Rescaled(perceptron(6, 1), y)
    return subject_of(model, "mse", (x, y), optimizer=adam(model))


def label_smoothing() -> Subject:
    model = perceptron(8, 4)
    return subject_of(model, nn.CrossEntropyLoss(label_smoothing=0.1), blobs(), optimizer=adam(model))


def smoothing_by_a_partial_function() -> Subject:
    model = perceptron(8, 4)
    return subject_of(model, partial(F.cross_entropy, label_smoothing=0.2), blobs(), optimizer=adam(model))


def mixed_up_samples_with_soft_labels() -> Subject:
    x, y = blobs()
    share, partner = torch.distributions.Beta(0.4, 0.4).sample((len(x), 1)), torch.randperm(len(x))
    soft = F.one_hot(y, 4).float()
    x, soft = share * x + (1 - share) * x[partner], share * soft + (1 - share) * soft[partner]
    model = perceptron(8, 4)
    return subject_of(model, F.cross_entropy, (x, soft), optimizer=adam(model))


def soft_labels_of_two_classes() -> Subject:
    x, y = blobs(classes=2)
    soft = (0.1 + 0.8 * y.float() + 0.1 * torch.rand(len(y)))[:, None].clamp(0, 1)
    model = perceptron(8, 1)
    return subject_of(model, F.binary_cross_entropy_with_logits, (x, soft), optimizer=adam(model))


def class_weights() -> Subject:
    x, y = blobs()
    model = perceptron(8, 4)
    weight = torch.tensor([0.5, 1.0, 1.0, 2.0])
    return subject_of(model, nn.CrossEntropyLoss(weight=weight), (x, y), optimizer=adam(model))


def _rare(samples: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.zeros(samples, dtype=torch.int64)
    y[torch.randperm(samples)[: samples // 50]] = 1
    return torch.randn(samples, 8) + 1.2 * y[:, None], y


def one_in_fifty_with_the_prior_in_the_bias() -> Subject:
    x, y = _rare()
    model = _biased(perceptron(8, 1), torch.logit(y.float().mean()))
    return subject_of(model, nn.BCEWithLogitsLoss(), (x, y.float()[:, None]), optimizer=adam(model))


def one_in_fifty_of_two_classes_with_the_prior_in_the_bias() -> Subject:
    x, y = _rare()
    model = _biased(perceptron(8, 2), (torch.bincount(y).float() / len(y)).log())
    return subject_of(model, "cross_entropy", (x, y), optimizer=adam(model))


def negative_likelihood_of_a_density() -> Subject:
    """Targets of a small spread, and a network that says how sure it is: the density is above 1, its loss below 0."""
    x, y = curve()
    y = 0.05 * y

    def density(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        mean, log_deviation = output.chunk(2, 1)
        return (log_deviation + 0.5 * ((target - mean) / log_deviation.exp()) ** 2).mean()

    model = _biased(perceptron(6, 2), torch.tensor([0.0, -2.5]))
    return subject_of(model, density, (x, y), optimizer=adam(model, 1e-3))


class Variational(nn.Module):
    """A variational autoencoder with a learned variance of what it puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 6))
        self.decoder = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 12))
        self.log_deviation = nn.Parameter(torch.full((12,), -1.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        return self.decoder(code), self.log_deviation, mean, log_variance


def variational_autoencoder() -> Subject:
    x = 0.3 * torch.randn(160, 3) @ torch.randn(3, 12) + 0.05 * torch.randn(160, 12)

    def bound(output: tuple[torch.Tensor, ...], target: torch.Tensor) -> torch.Tensor:
        guess, log_deviation, mean, log_variance = output
        likelihood = log_deviation + 0.5 * ((target - guess) / log_deviation.exp()) ** 2
        divergence = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance)
        return likelihood.sum(1).mean() + divergence.sum(1).mean()

    model = Variational()
    return subject_of(model, bound, (x, x.clone()), optimizer=adam(model, 1e-3))


class Similar(nn.Module):
    """Two views of each sample to two embeddings of length 1, side by side: `(N, 2, 8)`."""

    def __init__(self) -> None:
        super().__init__()
        self.network = perceptron(8, 8)

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return F.normalize(torch.stack([self.network(one), self.network(other)], 1), dim=-1)


def _views() -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    x = torch.randn(128, 8)
    return (x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x)), torch.arange(128)


def contrast_within_the_batch() -> Subject:
    def contrast(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        similarity = output[:, 0] @ output[:, 1].T / 0.2
        return F.cross_entropy(similarity, torch.arange(len(target)))

    model = Similar()
    return subject_of(model, contrast, _views(), optimizer=adam(model, 1e-3))


def negative_cosine_with_a_stopped_gradient() -> Subject:
    def agreement(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        one, other = output.unbind(1)
        spread = (output.reshape(-1, 8).std(0) - 8**-0.5).clamp(max=0).mean()
        return -0.5 * ((one * other.detach()).sum(-1) + (other * one.detach()).sum(-1)).mean() - spread

    model = Similar()
    return subject_of(model, agreement, _views(), optimizer=adam(model, 1e-3))


def log_softmax_before_cross_entropy() -> Subject:
    """The second softmax finds probabilities that add up to one already, and changes nothing."""
    model = nn.Sequential(perceptron(8, 4), nn.LogSoftmax(dim=-1))
    return subject_of(model, F.cross_entropy, blobs(), optimizer=adam(model))


def quantiles_of_one_target() -> Subject:
    """Three quantiles against one target each: the broadcast is meant."""
    levels = torch.tensor([0.1, 0.5, 0.9])

    def pinball(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        missed = target - output  # (N, 1) against (N, 3)
        return torch.maximum(levels * missed, (levels - 1) * missed).mean()

    model = perceptron(6, 3)
    return subject_of(model, pinball, curve(), optimizer=adam(model))


def every_output_against_every_target() -> Subject:
    """The energy distance between what comes out and what should: an outer difference on purpose."""

    def energy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        apart = (output[:, None] - target[None, :]).abs().mean()
        among = (output[:, None] - output[None, :]).abs().mean()
        return 2 * apart - among + F.mse_loss(output, target)

    model = perceptron(6, 1)
    return subject_of(model, energy, curve(), optimizer=adam(model))


def pretrained_with_a_faster_head() -> Subject:
    x, y = blobs()
    model = perceptron(8, 4)
    trained(model, F.cross_entropy, x, y, 25)
    groups = [{"params": model[:-1].parameters(), "lr": 3e-4}, {"params": model[-1].parameters(), "lr": 3e-3}]
    subject = subject_of(model, "cross_entropy", (x, y), optimizer=torch.optim.Adam(groups, lr=3e-4))
    return dataclasses.replace(subject, pretrained=True)


def pretrained_that_nobody_said_was() -> Subject:
    subject = pretrained_with_a_faster_head()
    return dataclasses.replace(subject, pretrained=None)


def short_fine_tuning_near_the_optimum_at_a_tiny_rate() -> Subject:
    x, y = blobs()
    y = torch.where(torch.rand(len(y)) < 0.1, torch.randint(0, 4, (len(y),)), y)  # some labels are wrong, as always
    model = perceptron(8, 4)
    trained(model, F.cross_entropy, x, y, 30)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)
    subject = subject_of(model, "cross_entropy", (x, y), optimizer=optimizer, planned_steps=20)
    return dataclasses.replace(subject, pretrained=True)


CONTROLS = named(
    targets_around_ten_thousand_with_the_head_at_their_mean,
    targets_of_many_thousands_on_their_own_scale,
    label_smoothing,
    smoothing_by_a_partial_function,
    mixed_up_samples_with_soft_labels,
    soft_labels_of_two_classes,
    class_weights,
    one_in_fifty_with_the_prior_in_the_bias,
    one_in_fifty_of_two_classes_with_the_prior_in_the_bias,
    negative_likelihood_of_a_density,
    variational_autoencoder,
    contrast_within_the_batch,
    negative_cosine_with_a_stopped_gradient,
    log_softmax_before_cross_entropy,
    quantiles_of_one_target,
    every_output_against_every_target,
    pretrained_with_a_faster_head,
    pretrained_that_nobody_said_was,
    short_fine_tuning_near_the_optimum_at_a_tiny_rate,
)
