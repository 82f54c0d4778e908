"""A handful of samples is memorised, or the cause is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cases_start as cases
import cases_tiny_batch as tiny
import pytest
import torch
from cases_start import classes, made, mlp, values
from torch import nn
from torch.nn import functional as F

from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.checks.tiny_batch import CHECK
from trainwright.checks.tiny_batch_choice import tiny_batch
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


def checked(build: Callable[[], Subject]) -> CheckResult:
    return run_check(made(build)(), CHECK)


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda: tiny.cut_off(cut=True), "no gradient"),
        (lambda: tiny.ends_with(nn.Sigmoid()), "output activation"),
        (lambda: tiny.ends_with(nn.ReLU()), "output activation"),
        (lambda: tiny.told_twice(same=True), "contradicting labels"),
        (lambda: tiny.narrow(1), "capacity"),
        (lambda: tiny.norm_at_the_end(norm=True), "batch normalisation"),
        (lambda: tiny.ignoring(zero=0.0), "output ignores the input"),
        (lambda: cases.buried(-1000.0), "dead units"),
        (lambda: cases.equal_units(cases.all_equal), "symmetric weights"),
    ],
    ids=["cut", "sigmoid", "relu", "labels", "capacity", "batch norm", "ignored", "dead", "symmetric"],
)
def test_a_planted_fault_is_named_as_the_cause(build: Callable[[], Subject], cause: str) -> None:
    result = checked(build)
    assert result.status == "failed"
    assert result.measured["cause"] == cause
    finding, *more = result.findings
    assert finding.because
    assert finding.remedies
    assert any(evidence.value == cause for evidence in finding.evidence)
    assert [other.kind for other in more] == (["relu-on-output"] if cause == "output activation" else [])


def test_the_parameter_that_is_cut_off_is_named() -> None:
    [finding] = checked(lambda: tiny.cut_off(cut=True)).findings
    assert finding.where.parameter == "first.0.weight"


def convolutions() -> Subject:
    model = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.5)),
        *(nn.Flatten(), nn.Linear(288, 3)),
    )
    return subject_of(model, "cross_entropy", (torch.randn(48, 1, 8, 8), torch.arange(48) % 3))


def tokens() -> Subject:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.cells = nn.Embedding(12, 24), nn.GRU(24, 48, batch_first=True)
            self.head = nn.Linear(48, 12)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.cells(self.embedding(ids))[0]).transpose(1, 2)

    ids = torch.randint(0, 12, (32, 11))
    return subject_of(Language(), "cross_entropy", (ids[:, :-1], ids[:, 1:]))


def frozen_norm() -> Subject:
    subject = convolutions()
    for module in subject.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return subject


@pytest.mark.parametrize("build", [convolutions, tokens, frozen_norm], ids=["convolutions", "tokens", "frozen norm"])
def test_usual_networks_memorise_with_dropout_off(build: Callable[[], Subject]) -> None:
    result = checked(build)
    assert result.status == "passed", (result.value, result.findings)
    assert result.measured["best"] <= result.measured["goal"]


def test_the_samples_have_as_many_different_labels_as_there_can_be() -> None:
    def build() -> Subject:
        x, _ = classes(number=6)
        return subject_of(mlp(8, 16, 6), "cross_entropy", (x, torch.arange(128) // 100 * (1 + torch.arange(128) % 5)))

    y = tiny_batch(made(build)()).y
    assert len(y) == 8
    assert len(set(y.tolist())) == 6


def test_the_floor_of_smoothed_labels_is_their_entropy() -> None:
    def build() -> Subject:
        return subject_of(mlp(8, 32, 4), partial(F.cross_entropy, label_smoothing=0.2), classes())

    floor = tiny_batch(made(build)()).floor
    assert floor == pytest.approx(-(0.85 * math.log(0.85) + 3 * 0.05 * math.log(0.05)), rel=1e-3)


def test_two_samples_that_contradict_each_other_raise_the_floor_and_no_alarm() -> None:
    def build() -> Subject:
        x, y = classes(samples=8)
        x[1] = x[0]
        return subject_of(mlp(8, 32, 4), "cross_entropy", (x, y))

    result = checked(build)
    assert result.status == "passed"
    assert result.measured["floor"] == pytest.approx(2 * math.log(2) / 8, rel=1e-2)
    assert result.measured["contradiction"] == pytest.approx(2 * math.log(2) / 8 / math.log(4), rel=1e-2)


def test_beginnings_that_several_token_sequences_share_raise_the_floor() -> None:
    def build() -> Subject:
        ids = torch.stack([torch.tensor([0, sample, 5, 6]) for sample in range(8)])
        model = nn.Sequential(nn.Embedding(8, 8), nn.Flatten(1), nn.Linear(24, 24), nn.Unflatten(1, (8, 3)))
        return subject_of(model, "cross_entropy", (ids[:, :-1], ids[:, 1:]))

    assert tiny_batch(made(build)()).floor == pytest.approx(math.log(8) / 3, rel=1e-3)


def test_targets_of_many_thousands_are_a_note_that_says_so() -> None:
    def build() -> Subject:
        x, y = values()
        return subject_of(mlp(6, 16, 1), "mse", (x, 1e5 + 3e4 * y))

    result = checked(build)
    assert result.status == "passed"
    assert result.measured["cause"] == "targets not scaled"
    assert [finding.severity for finding in result.findings] == ["note"]


def test_a_linear_model_with_few_inputs_is_not_blamed() -> None:
    def build() -> Subject:
        return subject_of(nn.Linear(2, 1), "mse", (torch.randn(64, 2), torch.randn(64, 1)))

    result = checked(build)
    assert result.status == "skipped"
    assert "linear model" in result.reason


def test_one_target_for_all_leaves_nothing_to_memorise() -> None:
    def build() -> Subject:
        return subject_of(mlp(8, 16, 4), "cross_entropy", (classes()[0], torch.zeros(128, dtype=torch.long)))

    assert checked(build).status == "skipped"


def test_a_loss_without_a_known_floor_is_never_called_memorised() -> None:
    def build() -> Subject:
        def density(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            mean, log = output.chunk(2, 1)
            return (0.5 * ((target - mean) / log.exp()).square() + log).mean()

        return subject_of(mlp(6, 16, 2), density, values())

    result = checked(build)
    assert result.status == "skipped"
    assert "not known" in result.reason


def test_the_same_subject_gets_the_same_answer() -> None:
    first, second = checked(convolutions), checked(convolutions)
    assert (first.measured, first.value) == (second.measured, second.value)
