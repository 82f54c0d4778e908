"""Generative models: noise that is the target, and targets that are all "real"."""

from __future__ import annotations

from collections.abc import Callable

import cases_start
import pytest
import torch
from cases_wiring import FEATURES, made
from torch import nn
from torch.nn import functional as F
from wiring_nets import kinds

from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


def one(subject: Subject, check: str) -> CheckResult:
    return run_check(subject, CATALOGUE[check])


class Denoiser(nn.Module):
    """Draws noise and its strength, and returns how far the network's answer is from what it has to tell."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.net = way, nn.Sequential(nn.Linear(FEATURES + 1, 16), nn.SiLU(), nn.Linear(16, FEATURES))
        self.register_buffer("kept", torch.linspace(0.9, 0.1, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        noise = torch.randn_like(x)
        if self.way == "diffusion over a table":
            step = torch.randint(0, 10, (len(x), 1))
            kept = self.get_buffer("kept")[step]
            return self.net(torch.cat([kept.sqrt() * x + (1 - kept).sqrt() * noise, kept], 1)) - noise
        time = torch.rand(len(x), 1, dtype=x.dtype)
        mixed = x * (1 - time) + noise * time
        answer = self.net(torch.cat([mixed, time], 1))
        if self.way == "flow matching":
            return answer - (noise - x)
        if self.way == "the loss inside":
            return F.mse_loss(answer, noise, reduction="none")
        return answer - noise


def itself() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(48, FEATURES)
    return x, x.clone()


def squared(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return output.square().mean()


@pytest.mark.parametrize("way", ["diffusion", "diffusion over a table", "flow matching", "the loss inside"])
def test_noise_that_is_the_target_is_no_noise_left_on(way: str) -> None:
    result = one(made(lambda: Denoiser(way), data=itself, loss=squared)(), "modes")
    assert result.findings == ()


class Regularised(nn.Module):
    def __init__(self, add: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.add, self.encoder, self.head = add, nn.Linear(FEATURES, 16), nn.Linear(16, FEATURES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.add(self.encoder(x)))


@pytest.mark.parametrize(
    "add",
    [
        lambda hidden: hidden - 0.3 * torch.randn_like(hidden),
        lambda hidden: hidden + torch.randn_like(hidden) * (torch.rand_like(hidden) < 0.5),
        lambda hidden: hidden * (torch.rand_like(hidden) < 0.5),
    ],
    ids=["subtracted", "on some units", "mask"],
)
def test_noise_of_a_fixed_strength_is_found_as_before(add: Callable[[torch.Tensor], torch.Tensor]) -> None:
    result = one(made(lambda: Regularised(add), data=itself, loss="mse")(), "modes")
    assert kinds(result) == ["dropout-always-on warning"]


def test_the_targets_of_a_generator_are_all_real_and_those_of_a_classifier_are_not() -> None:
    def build(judged: bool) -> Subject:
        discriminator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1)).requires_grad_(False)
        model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2 if judged else 1))

        def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            logits = discriminator(output) if judged else 2 * output
            return F.binary_cross_entropy_with_logits(logits.squeeze(1), target)

        return subject_of(model, loss, (torch.randn(256, 4), torch.ones(256)))

    assert kinds(one(cases_start.made(lambda: build(True))(), "loss-fits")) == []
    assert kinds(one(cases_start.made(lambda: build(False))(), "loss-fits")) == ["constant-targets warning"]
