"""The measures, each against an oracle in float64 that is written as the formula stands in the books."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from trainwright.ensembles.answers import Truth, gathered, truth_of
from trainwright.ensembles.bootstrap import Bootstrap
from trainwright.ensembles.combine import combined, mean_and_spread
from trainwright.ensembles.measures import BINS, gaussian, of_classes, of_values, reliability
from trainwright.parts.outputs import Form, scores_of


def truth(y: torch.Tensor) -> Truth:
    return Truth(y=y, sample=torch.arange(len(y)), samples=len(y))


def answers(samples: int, classes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(samples, classes, generator=generator)
    return torch.log_softmax(logits.double(), 1), torch.randint(0, classes, (samples,), generator=generator)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_scores_of_classes_are_those_of_the_formulas(classes: int) -> None:
    log_p, y = answers(500, classes)
    p, right = log_p.exp().numpy(), y.numpy()
    found = of_classes(log_p, truth(y))
    assert found.accuracy == pytest.approx(float((p.argmax(1) == right).mean()), abs=1e-12)
    assert found.nll == pytest.approx(float(-np.log(p[np.arange(500), right]).mean()), rel=1e-12)
    assert found.brier == pytest.approx(float(((p - np.eye(classes)[right]) ** 2).sum(1).mean()), rel=1e-12)
    edges = np.linspace(0, 1, BINS + 1)
    confidence, hit = p.max(1), p.argmax(1) == right
    error = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert found.ece == pytest.approx(float(error), abs=1e-12)


def test_every_prediction_is_in_one_bin_of_confidence_the_surest_in_the_last() -> None:
    log_p = torch.tensor([[1.0, 1e-300], [0.5, 0.5], [0.2, 0.8]], dtype=torch.float64).log()
    bins = reliability(log_p, truth(torch.tensor([0, 0, 0])))
    assert sum(one.count for one in bins) == 3
    assert bins[-1].count == 1
    assert bins[-1].accuracy == 1.0
    assert all(one.accuracy is None for one in bins if one.count == 0)


def test_scores_of_values_are_those_of_the_formulas() -> None:
    generator = torch.Generator().manual_seed(1)
    values, y = torch.randn(200, 2, generator=generator).double(), torch.randn(200, 2, generator=generator).double()
    deviation = 0.5 + torch.rand(200, 2, generator=generator).double()
    found = of_values(values, truth(y), deviation)
    errors = (values - y).numpy()
    assert found.rmse == pytest.approx(float(np.sqrt((errors**2).mean())), rel=1e-12)
    normal = torch.distributions.Normal(values, deviation)
    assert found.nll == pytest.approx(-float(normal.log_prob(y).mean()), rel=1e-12)
    assert gaussian(values, deviation, truth(y)).shape == (200,)


def test_a_mixture_averages_probabilities_and_logits_their_geometric_mean() -> None:
    logits = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(2))
    shares = torch.tensor([0.5, 0.0, 0.5], dtype=torch.float64)
    p = torch.softmax(logits.double(), -1)
    mixture = combined(logits, shares, "probabilities").exp()
    torch.testing.assert_close(mixture, (p[0] + p[2]) / 2)
    geometric = (p[0] * p[2]).sqrt()
    torch.testing.assert_close(combined(logits, shares, "logits").exp(), geometric / geometric.sum(-1, keepdim=True))


def test_an_average_of_values_has_the_mean_and_the_spread_of_its_networks() -> None:
    values = torch.tensor([[[1.0], [2.0]], [[3.0], [2.0]]])
    mean, spread = mean_and_spread(values, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert mean.flatten().tolist() == [2.0, 2.0]
    assert spread.flatten().tolist() == [1.0, 0.0]


def test_outputs_of_every_form_become_rows_of_classes() -> None:
    one = Form(task="classification")
    assert scores_of(torch.randn(5, 3), one).shape == (5, 1, 3)
    assert scores_of(torch.randn(5, 3, 7), one).shape == (5, 7, 3)
    logit = torch.randn(5, 1)
    two = torch.softmax(scores_of(logit, one), -1).squeeze(1)
    torch.testing.assert_close(two[:, 1:], torch.sigmoid(logit))
    p = torch.rand(5, 3).softmax(1)
    torch.testing.assert_close(
        torch.softmax(scores_of(p, Form(task="classification", expects="probabilities")), -1).squeeze(1), p
    )
    labels = scores_of(torch.randn(5, 4), Form(task="multi-label"))
    assert labels.shape == (5, 4, 2)
    assert truth_of(torch.tensor([[1.0, 0.0, 1.0, 1.0]]), 2, Form(task="multi-label")).tolist() == [[1, 0, 1, 1]]
    assert truth_of(torch.tensor([[0.1, 0.8, 0.1]]), 3, one).tolist() == [[1]]


def test_targets_that_losses_ignore_do_not_count() -> None:
    found, rows = gathered(torch.tensor([[0, -100], [2, 1]]), Form(task="classification"))
    assert found.y.tolist() == [0, 2, 1]
    assert found.sample.tolist() == [0, 1, 1]
    assert rows.tolist() == [True, False, True, True]


def test_values_are_told_in_the_targets_own_units() -> None:
    form = Form(task="regression", mean=(10.0,), std=(2.0,))
    assert scores_of(torch.tensor([[1.5]]), form).item() == 13.0


def test_the_interval_of_a_gain_is_that_of_the_normal_approximation() -> None:
    generator = torch.Generator().manual_seed(3)
    base = torch.rand(2000, generator=generator).double()
    other = base - 0.05 + 0.3 * torch.randn(2000, generator=generator).double()
    gain = Bootstrap(2000).gains(base, other.unsqueeze(1), truth(torch.zeros(2000)))[0]
    difference = base - other
    error = float(difference.std() / math.sqrt(2000))
    assert gain.value == pytest.approx(float(difference.mean()), rel=1e-9)
    assert gain.low == pytest.approx(gain.value - 1.96 * error, abs=0.25 * error)
    assert gain.high == pytest.approx(gain.value + 1.96 * error, abs=0.25 * error)


def test_of_no_difference_the_interval_holds_zero_nineteen_times_in_twenty() -> None:
    generator = torch.Generator().manual_seed(4)
    outside = 0
    for seed in range(200):
        base, other = torch.randn(2, 100, generator=generator).double()
        gain = Bootstrap(100, seed, resamples=200).gains(base, other.unsqueeze(1), truth(torch.zeros(100)))[0]
        outside += not gain.low <= 0 <= gain.high
    assert 2 <= outside <= 24  # 10 expected, give or take 3.1


def test_rows_of_one_sample_are_drawn_together() -> None:
    # Each sample's rows say the same: as many rows as samples would make the interval too narrow by sqrt(10).
    values = torch.randn(100, generator=torch.Generator().manual_seed(5)).double()
    rows = Truth(y=torch.zeros(1000), sample=torch.arange(100).repeat_interleave(10), samples=100)
    many = values.repeat_interleave(10)
    whole = Bootstrap(100).gains(many, torch.zeros(1000, 1), rows)[0]
    alone = Bootstrap(100).gains(values, torch.zeros(100, 1), truth(torch.zeros(100)))[0]
    assert whole.low == pytest.approx(alone.low)
    assert whole.high == pytest.approx(alone.high)
