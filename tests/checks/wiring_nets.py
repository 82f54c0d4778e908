"""Healthy networks with unusual wiring, and how the checks of wiring are run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cases_wiring as nets
import torch
from cases_wiring import CLASSES, FEATURES, WIDTH, Plain, adam, labelled, made
from torch import nn
from torch.nn import functional as F

from trainwright.checks import input_matters, modes, no_future, parameters, registration, samples_apart, updates
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import CheckResult

CHECKS = {
    module.CHECK.name: module.CHECK
    for module in (parameters, updates, registration, samples_apart, no_future, modes, input_matters)
}


def results(subject: Subject) -> dict[str, CheckResult]:
    return {name: run_check(subject, check) for name, check in CHECKS.items()}


def one(subject: Subject, check: str) -> CheckResult:
    return run_check(subject, CHECKS[check])


def kinds(result: CheckResult) -> list[str]:
    return [f"{finding.kind} {finding.severity}" for finding in result.findings]


class Adapted(nn.Module):
    """A frozen network with an adapter of low rank, which starts as nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(FEATURES, WIDTH).requires_grad_(False)
        self.down, self.up = nn.Parameter(torch.randn(FEATURES, 2)), nn.Parameter(torch.zeros(2, WIDTH))
        self.head = nn.Linear(WIDTH, CLASSES).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.base(x) + x @ self.down @ self.up))


class Gated(nn.Module):
    """Residual branches behind gates at zero, under a head at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, WIDTH)
        self.branches = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(3)])
        self.gates = nn.Parameter(torch.zeros(3))
        self.head = nn.Linear(WIDTH, CLASSES)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for gate, branch in zip(self.gates, self.branches, strict=True):
            x = x + gate * torch.relu(branch(x))
        return self.head(x)


class Experts(nn.Module):
    """One expert for each sample; two of four are never chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(FEATURES, 4)
        self.experts = nn.ModuleList([nn.Linear(FEATURES, CLASSES) for _ in range(4)])
        with torch.no_grad():
            self.gate.bias.copy_(torch.tensor([3.0, 2.0, -50.0, -50.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, chosen = self.gate(x).softmax(-1).max(-1)
        output = x.new_zeros(len(x), CLASSES)
        for place, expert in enumerate(self.experts):
            of_it = chosen == place
            if of_it.any():
                output[of_it] = expert(x[of_it]) * weight[of_it, None]
        return output


class DroppedLayers(Gated):
    """Leaves out whole branches in training, at random."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.ones_(self.gates)
        nn.init.normal_(self.head.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch in self.branches:
            if not self.training or float(torch.rand(())) < 0.5:
                x = x + torch.relu(branch(x))
        return self.head(x)


class WithTeacher(Plain):
    """Keeps a teacher in a plain list, and asks it without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = [Plain()]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            taught = self.teacher[0](x)
        return super().forward(x) + 0.1 * taught


class Followed(nn.Module):
    """A network, and one that follows it: its output enters the loss without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.online, self.target = Plain(), Plain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.online(x) * (1 + 0.1 * self.target(x).detach())


class Probed(Plain):
    """Uses its encoder without gradients."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            hidden = torch.tanh(self.encoder(x))
        return self.head(hidden)


class WithSpareHead(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(WIDTH, 2)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


class Autoencoder(nn.Module):
    """Draws noise in both modes, by design."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(FEATURES, 8), nn.Linear(4, FEATURES)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        noisy = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(noisy), mean, log_variance


def evidence_bound(output: Any, target: torch.Tensor) -> torch.Tensor:
    decoded, mean, log_variance = output
    return F.mse_loss(decoded, target) + (mean.square() + log_variance.exp() - log_variance - 1).mean()


class Contrastive(nn.Module):
    """Two inputs; the output holds how alike all pairs of the batch are."""

    def __init__(self) -> None:
        super().__init__()
        self.of_image, self.of_text = nn.Linear(FEATURES, 8), nn.Linear(FEATURES, 8)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.of_image(image), dim=-1) @ F.normalize(self.of_text(text), dim=-1).T


def contrastive_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, torch.arange(len(output)))


class Bidirectional(nn.Module):
    """Labels each position from the whole sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(self.embedding(x)))


class TwoInputs(nn.Module):
    def __init__(self, blind: bool = False) -> None:
        super().__init__()
        self.blind = blind
        self.linear, self.embedding = nn.Linear(FEATURES, WIDTH), nn.Embedding(5, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.linear(x) + (0 if self.blind else self.embedding(ids))))


def labels_per_token() -> Any:
    x = torch.randint(0, 11, (24, 9))
    return x, (3 * x + 1) % 11


def masked_tokens() -> Any:
    x = torch.randint(0, 11, (24, 9))
    y = torch.where(torch.rand(x.shape) < 0.3, x, -100)
    return x.masked_fill(y >= 0, 10), y


def two_inputs() -> Any:
    x, y = labelled()
    return (x, torch.randint(0, 5, (len(x),))), y


def itself() -> Any:
    x = torch.randn(24, FEATURES)
    return x, x.clone()


def pairs() -> Any:
    x = torch.randn(24, FEATURES)
    return {"image": x, "text": x + 0.1}, torch.arange(24)


def large_targets() -> Any:
    x = torch.randn(24, FEATURES)
    return x, 1e4 + 3e3 * x[:, :1]


def around_ten_thousand() -> nn.Module:
    head = nn.Linear(WIDTH, 1)
    nn.init.constant_(head.bias, 1e4)
    return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), head)


def warming_up(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = adam(model)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 200)
    return optimizer


def frozen_encoder(model: nn.Module) -> torch.optim.Optimizer:
    assert isinstance(model, Plain)
    model.encoder.requires_grad_(False)
    return torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=0.1)


def sgd(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.SGD(model.parameters(), lr=rate)


HEALTHY: dict[str, Callable[[], Subject]] = {
    "an adapter that starts as nothing": made(Adapted, optimizer=lambda model: adam_of(model, "down", "up")),
    "gates and a head at zero": made(Gated, optimizer=sgd(0.1)),
    "experts that are never chosen": made(Experts, optimizer=adam),
    "layers left out at random": made(DroppedLayers),
    "a teacher in a list": made(WithTeacher),
    "a network that follows another": made(Followed),
    "an encoder without gradients": made(Probed, optimizer=adam),
    "a head that is not used": made(WithSpareHead, optimizer=adam),
    "tied weights": made(Tied, data=nets.tokens, loss=nets.next_token, optimizer=adam),
    "noise in both modes": made(Autoencoder, data=itself, loss=evidence_bound),
    "a table of all pairs": made(Contrastive, data=pairs, loss=contrastive_loss),
    "labels for each token": made(Bidirectional, data=labels_per_token, loss=nets.next_token),
    "masked tokens": made(Bidirectional, data=masked_tokens, loss=nets.next_token),
    "two inputs": made(TwoInputs, data=two_inputs),
    "an offset of ten thousand": made(around_ten_thousand, data=large_targets, loss="mse"),
    "a warm-up from zero": made(nets.mlp, optimizer=warming_up),
    "a tiny rate on purpose": made(nets.mlp, optimizer=sgd(1e-7)),
    "a frozen encoder": made(Plain, optimizer=frozen_encoder),
    "an optimizer with a closure": made(nets.mlp, optimizer=lambda model: torch.optim.LBFGS(model.parameters())),
    "ten layers at torch's own initialisation": made(
        lambda: nn.Sequential(
            nn.Linear(FEATURES, WIDTH),
            *[part for _ in range(9) for part in (nn.ReLU(), nn.Linear(WIDTH, WIDTH))],
            nn.Linear(WIDTH, CLASSES),
        )
    ),
}


def adam_of(model: nn.Module, *names: str) -> torch.optim.Optimizer:
    return torch.optim.AdamW([model.get_parameter(name) for name in names], lr=1e-3)


class Holder:
    """An object that is no module."""

    def __init__(self, held: Any) -> None:
        self.held = held
