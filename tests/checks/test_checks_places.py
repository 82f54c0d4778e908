"""Where a fault lies and what mends it: one error for one fault, at its own place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases_wiring import CLASSES, FEATURES, WIDTH, made
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.records import CheckResult, Finding


def one(subject: Subject, check: str) -> CheckResult:
    return run_check(subject, CATALOGUE[check])


def sole(result: CheckResult) -> Finding:
    (finding,) = result.findings
    return finding


def sequences() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(24, 9, 8)
    return x, x.mean(1)[:, :CLASSES].argmax(1)


class Attention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.query, self.key, self.head = dim, nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(self.dim)
        return self.head((weights @ x).mean(1))


def test_a_softmax_over_the_batch_is_named_with_its_line() -> None:
    finding = sole(one(made(lambda: Attention(0), data=sequences)(), "samples-apart"))
    assert "over dimension 0" in finding.remedies[0].text
    assert finding.where.file == __file__
    assert finding.where.line is not None
    assert one(made(lambda: Attention(-1), data=sequences)(), "samples-apart").findings == ()


class Encoded(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first, dropout=0.0)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x).mean(1))


def test_an_attention_that_takes_samples_for_steps_is_told_of_batch_first() -> None:
    finding = sole(one(made(lambda: Encoded(False), data=sequences)(), "samples-apart"))
    assert "batch_first=True" in finding.remedies[0].text


def text() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, 20, (24, 13))
    return tokens[:, :-1].clone(), tokens[:, 1:].clone()


def next_token(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class Convolved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.convolution, self.head = nn.Embedding(20, 16), nn.Conv1d(16, 16, 3), nn.Linear(16, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.pad(self.embedding(x).transpose(1, 2), (1, 1))
        return self.head(torch.relu(self.convolution(hidden)).transpose(1, 2))


class BothWays(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 8), nn.Linear(16, 20)
        self.rnn = nn.LSTM(8, 8, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(self.embedding(x))[0])


@pytest.mark.parametrize(
    ("model", "module", "words"),
    [(Convolved, "convolution", "left only"), (BothWays, "rnn", "bidirectional=False")],
)
def test_the_future_is_found_where_it_enters(model: type[nn.Module], module: str, words: str) -> None:
    finding = sole(one(made(model, data=text, loss=next_token)(), "no-future"))
    assert finding.where.module == module
    assert words in finding.remedies[0].text


def points() -> tuple[torch.Tensor, torch.Tensor]:
    with isolated(4):
        x = torch.randn(96, FEATURES)
    return x, x[:, :CLASSES].argmax(1)


def mlp() -> nn.Sequential:
    with isolated(5):
        return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES))


def test_a_weight_that_is_not_a_number_is_named_and_nothing_is_said_of_a_step() -> None:
    model = mlp()
    with torch.no_grad():
        model.get_parameter("0.weight")[3, 3] = torch.nan
    finding = sole(tw.verify(model, "cross_entropy", points(), checks=["initial-loss"])["initial-loss"])
    assert (finding.kind, finding.where.parameter) == ("non-finite-loss", "0.weight")
    assert "step was refused" not in finding.because


def test_the_operation_that_is_not_finite_is_named_with_its_line() -> None:
    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return torch.log(output.square().mean() - 1e6)

    finding = sole(tw.verify(mlp(), loss, points(), checks=["initial-loss"])["initial-loss"])
    assert {each.value for each in finding.evidence} >= {"torch.log", "the loss function"}
    assert finding.where.file == __file__


class Cut(nn.Module):
    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.cut, self.first, self.head = cut, nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x).relu()
        return self.head(torch.tensor(hidden.tolist(), dtype=hidden.dtype) if self.cut else hidden)


def errors(report: Any) -> list[str]:
    return [finding.kind for finding in report.findings if finding.severity == "error"]


def test_a_graph_that_is_cut_is_one_error_and_no_wrong_gradient() -> None:
    checks = ["parameters-reached", "gradients"]
    with isolated(5):
        models = Cut(True), Cut(False)
    found = [errors(tw.verify(model, "cross_entropy", points(), checks=checks)) for model in models]
    assert found == [["parameters-without-gradient"], []]


def test_a_softmax_over_one_unit_is_one_error() -> None:
    x, y = points()
    model = nn.Linear(FEATURES, 1)
    report = tw.verify(
        model, nn.CrossEntropyLoss(), (x, (y / 255.0)[:, None]), checks=["loss-fits", "parameters-reached"]
    )
    assert errors(report) == ["softmax-over-one-unit"]


def test_the_place_in_a_shuffled_pass_is_called_so() -> None:
    x, y = points()
    x[77, 2] = torch.nan
    for shuffle in (True, False):
        loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=shuffle)
        finding = sole(tw.verify(mlp(), "cross_entropy", loader, checks=["inputs"])["inputs"])
        evidence = {each.name: each.value for each in finding.evidence}
        assert ("first such sample, counted from 0 in the order of a shuffled pass" in evidence) == shuffle
        assert shuffle or evidence["first such sample, counted from 0 in order"] == 77


def test_half_precision_that_overflows_is_not_called_an_output_that_ignores_its_input() -> None:
    x, y = points()
    result = tw.verify(mlp().half(), "cross_entropy", (x.half(), y), checks=["tiny-batch"])["tiny-batch"]
    assert result.measured.get("cause") in (None, "numbers that are not finite")
