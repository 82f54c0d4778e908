"""What the constant and the linear predictor reach, against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss

from trainwright.records import Task
from trainwright.vitals.baselines import PROJECTED, SAMPLES, baselines, divided
from trainwright.vitals.linear_models import PENALTIES, logistic, ridge

Pair = tuple[torch.Tensor, torch.Tensor]


def parts(x: np.ndarray, y: np.ndarray, seed: int = 0) -> tuple[Pair, Pair]:
    """Return two thirds of the samples and the rest, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(x))
    cut = 2 * len(x) // 3
    return tuple(  # pyright: ignore[reportReturnType]
        (torch.from_numpy(x[some]), torch.from_numpy(y[some])) for some in (order[:cut], order[cut:])
    )


def digits() -> tuple[Pair, Pair]:
    """Return the handwritten digits, one sample in two."""
    data, target = load_digits(return_X_y=True)
    return parts(np.asarray(data)[::2] / 16, np.asarray(target)[::2])


def standardised(train: torch.Tensor, held: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return both by the first one's mean and deviation, features that are constant there left out."""
    one, other = train.numpy(), held.numpy()
    mean, std = one.mean(0), one.std(0)
    return ((one - mean) / np.where(std > 0, std, 1))[:, std > 0], (
        ((other - mean) / np.where(std > 0, std, 1)).clip(-30, 30)[:, std > 0]
    )


def test_the_logistic_regression_is_that_of_scikit_learn() -> None:
    (x, y), (held, truth) = digits()
    found = baselines((x, y), (held, truth), "classification", "cross_entropy")
    one, other = standardised(x, held)
    peer = LogisticRegression(max_iter=2000, tol=1e-8).fit(one, y.numpy())
    assert found.linear_model == "logistic regression"
    assert found.linear_loss == pytest.approx(log_loss(truth.numpy(), peer.predict_proba(other)), rel=0.01)
    assert found.linear_metric == pytest.approx(peer.score(other, truth.numpy()), abs=0.005)
    assert (found.metric, found.samples, found.held_out, found.features) == ("accuracy", len(y), len(truth), 64)


def test_the_constant_of_classes_is_the_dummy_classifier() -> None:
    (x, y), (held, truth) = digits()
    found = baselines((x, y), (held, truth), "classification", "nll")
    peer = DummyClassifier(strategy="prior").fit(x, y)
    assert found.constant_loss == pytest.approx(log_loss(truth.numpy(), peer.predict_proba(held)), rel=1e-9)
    assert found.constant_metric == pytest.approx(peer.score(held, truth))


def test_the_coefficients_of_a_logistic_regression_of_yes_and_no_are_those_of_scikit_learn() -> None:
    x = torch.randn(300, 5, dtype=torch.float64)
    y = (x[:, 0] - x[:, 1] + torch.randn(300) > 0.3).double()
    peer = LogisticRegression(tol=1e-10, max_iter=1000).fit(x.numpy(), y.numpy())
    found = logistic(x, y[:, None], classes=False)
    np.testing.assert_allclose(found.weights[:, 0].numpy(), peer.coef_[0], atol=1e-4)
    np.testing.assert_allclose(found.bias.numpy(), peer.intercept_, atol=1e-4)


@pytest.mark.parametrize("shape", [(200, 10), (40, 90)], ids=["tall", "wide"])
def test_a_ridge_is_that_of_scikit_learn_at_one_of_the_penalties(shape: tuple[int, int]) -> None:
    x = torch.randn(*shape, dtype=torch.float64)
    y = x[:, :2] @ torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64) + torch.randn(len(x), 2) + 5
    found = ridge(x, y)
    peers = [Ridge(alpha=penalty * len(x)).fit(x.numpy(), y.numpy()) for penalty in PENALTIES]
    apart = [np.abs(peer.coef_.T - found.weights.numpy()).max() for peer in peers]
    best = int(np.argmin(apart))
    assert apart[best] < 1e-6
    np.testing.assert_allclose(found.bias.numpy(), peers[best].intercept_, atol=1e-6)


def test_the_penalty_that_is_chosen_is_about_the_best_on_new_samples() -> None:
    x, new = torch.randn(60, 50, dtype=torch.float64), torch.randn(2000, 50, dtype=torch.float64)
    weights = torch.randn(50, 1, dtype=torch.float64)
    y, truth = x @ weights + 5 * torch.randn(60, 1), new @ weights
    error = float((ridge(x, y)(new) - truth).square().mean())
    peers = [Ridge(alpha=penalty * 60).fit(x.numpy(), y.numpy()[:, 0]) for penalty in PENALTIES]
    errors = [float(np.square(peer.predict(new.numpy()) - truth.numpy()[:, 0]).mean()) for peer in peers]
    assert error < 1.5 * min(errors) < max(errors)


def test_a_regression_is_scored_by_its_loss_and_by_the_root_of_the_squared_error() -> None:
    data, target = load_diabetes(return_X_y=True)
    (x, y), (held, truth) = parts(np.asarray(data), np.asarray(target))
    found = baselines((x, y), (held, truth), "regression", "mse")
    peer = DummyRegressor().fit(x, y)
    dull = float(np.square(peer.predict(held) - truth.numpy()).mean())
    assert found.constant_loss == pytest.approx(dull)
    assert found.constant_metric == pytest.approx(math.sqrt(dull))
    one, other = standardised(x, held)
    line = Ridge(alpha=1.0).fit(one, y.numpy())
    assert found.linear_loss == pytest.approx(float(np.square(line.predict(other) - truth.numpy()).mean()), rel=0.05)
    assert found.linear_model == "ridge regression"


@pytest.mark.parametrize("loss", ["mae", "huber", "smooth_l1"])
def test_no_other_constant_has_less_of_a_robust_loss(loss: str) -> None:
    y = torch.randn(501).exp() * 3
    found = baselines((torch.randn(501, 1), y), (torch.randn(501, 1), y), "regression", loss)
    others = torch.linspace(0, 20, 400).double()
    errors = y.double()[:, None] - others
    functions = {"mae": errors.abs(), "smooth_l1": torch.where(errors.abs() < 1, errors**2 / 2, errors.abs() - 0.5)}
    values = functions.get(loss, functions["smooth_l1"]).mean(0)
    assert found.constant_loss is not None
    assert found.constant_loss <= float(values.min()) + 1e-9
    assert found.constant_loss == pytest.approx(float(values.min()), rel=0.01)


def test_several_targets_and_a_column_are_told_together() -> None:
    x = torch.randn(200, 3)
    y = x @ torch.randn(3, 2)
    found = baselines((x[:150], y[:150]), (x[150:], y[150:]), "regression", "mse")
    assert found.linear_metric == pytest.approx(0, abs=1e-3)
    flat, column = (baselines((x, values), (x, values), "regression", "mse") for values in (y[:, 0], y[:, :1]))
    assert flat == column


def test_each_label_of_several_is_answered_by_itself() -> None:
    x = torch.randn(400, 4)
    y = torch.stack([x[:, 0] > 0, torch.rand(400) < 0.2], 1).float()
    found = baselines((x[:300], y[:300]), (x[300:], y[300:]), "multi-label", "bce_with_logits")
    share = y[:300].double().mean(0)
    truth = y[300:].double()
    expected = -(truth * share.log() + (1 - truth) * (1 - share).log()).mean()
    assert found.constant_loss == pytest.approx(float(expected))
    assert found.constant_metric == pytest.approx(float(((share > 0.5) == (truth > 0.5)).double().mean()))
    assert found.linear_metric is not None
    assert found.constant_metric is not None
    assert found.linear_metric > found.constant_metric + 0.1


def test_a_class_that_training_lacks_has_a_finite_loss() -> None:
    x = torch.randn(40, 2)
    found = baselines((x, torch.arange(40) % 2), (x, torch.arange(40) % 3), "classification", "cross_entropy")
    assert found.constant_loss is not None
    assert found.linear_loss is not None
    assert math.log(2) < found.constant_loss < math.log(80)


def test_the_constant_of_a_text_is_how_frequent_its_tokens_are() -> None:
    y = torch.randint(0, 5, (60, 8)) * torch.randint(0, 2, (60, 8))
    y[:, -1] = -100
    found = baselines((y, y), (y[:20], y[:20]), "classification", "cross_entropy")
    kept, asked = y[:, :-1].flatten().numpy(), y[:20, :-1].flatten().numpy()
    peer = DummyClassifier(strategy="prior").fit(kept, kept)
    assert found.constant_loss == pytest.approx(log_loss(asked, peer.predict_proba(asked), labels=range(5)))
    assert found.constant_metric == pytest.approx(peer.score(asked, asked))
    assert (found.linear_metric, "several targets" in found.reason) == (None, True)


def test_an_unknown_loss_leaves_the_metrics() -> None:
    x, y = torch.randn(60, 2), torch.arange(60) % 2
    found = baselines((x, y), (x, y), "classification", "")
    assert (found.constant_loss, found.linear_loss) == (None, None)
    assert found.constant_metric == 0.5
    assert found.linear_metric is not None


def test_shares_of_classes_are_targets_too() -> None:
    x = torch.randn(100, 3)
    y = (x @ torch.randn(3, 4)).softmax(1)
    found = baselines((x, y), (x, y), "classification", "kl_div")
    assert found.linear_loss is not None
    assert found.constant_loss is not None
    assert 0 <= found.linear_loss < found.constant_loss / 4


@pytest.mark.parametrize(
    ("x", "y", "task", "words"),
    [
        (torch.randint(50, (40, 8)), torch.arange(40) % 2, "classification", "whole numbers"),
        (torch.randn(40, 3), torch.zeros(40, dtype=torch.long), "classification", "single class"),
        (torch.randn(400, 3), torch.arange(400), "classification", "400 outputs are too many"),
        (torch.randn(40, 3), torch.randn(40), "classification", "a form that no baseline"),
        (torch.full((40, 3), torch.nan), torch.arange(40) % 2, "classification", "too few"),
        (torch.randn(5, 3), torch.randn(5), "regression", "too few"),
        (torch.randn(40, 3, dtype=torch.complex64), torch.arange(40) % 2, "classification", "complex"),
    ],
    ids=["tokens", "one class", "many classes", "quantities", "not finite", "few", "complex"],
)
def test_where_no_line_can_be_drawn_the_reason_is_said(
    x: torch.Tensor, y: torch.Tensor, task: Task, words: str
) -> None:
    found = baselines((x, y), (x, y), task, "cross_entropy" if task == "classification" else "mse")
    assert words in found.reason
    assert found.linear_metric is None


def test_samples_that_are_not_finite_and_constant_features_are_left_out() -> None:
    x, y = torch.randn(100, 3), torch.arange(100) % 2
    x[:, 0] += 2 * y
    clean = baselines((x, y), (x, y), "classification", "cross_entropy")
    worse = torch.cat([torch.cat([x, torch.full((100, 2), 7.0)], 1), torch.full((20, 5), torch.inf)])
    again = baselines((worse, torch.cat([y, y[:20]])), (worse[:100], y), "classification", "cross_entropy")
    assert again.linear_loss == pytest.approx(clean.linear_loss, rel=1e-6)
    assert again.samples == 100


def test_only_constant_features_make_the_line_a_constant() -> None:
    x, y = torch.ones(50, 3), torch.arange(50) % 2
    found = baselines((x, y), (x, y), "classification", "cross_entropy")
    assert found.linear_loss == pytest.approx(found.constant_loss)
    y = torch.randn(50)
    found = baselines((x, y), (x, y), "regression", "mse")
    assert found.linear_loss == pytest.approx(found.constant_loss)


def test_thousands_of_features_are_projected_and_say_so() -> None:
    y = torch.arange(600) % 2
    x = torch.randn(600, 3, 24, 24) + 0.1 * y[:, None, None, None]
    found = baselines((x[:400], y[:400]), (x[400:], y[400:]), "classification", "cross_entropy")
    assert found.linear_model == f"logistic regression on {PROJECTED} random projections of 1728 features"
    assert found.features == 1728
    assert found.linear_metric is not None
    assert found.linear_metric > 0.6


def test_ignored_targets_do_not_count() -> None:
    x, y = torch.randn(100, 3), torch.arange(100) % 2
    y[::5] = -100
    found = baselines((x, y), (x, y), "classification", "cross_entropy")
    assert found.samples == 80


def test_a_large_sample_is_bounded_and_the_same_again() -> None:
    x = torch.randn(3 * SAMPLES, 2)
    y = (x[:, 0] > 0).long()
    found = baselines((x, y), (x, y), "classification", "cross_entropy")
    assert found.samples <= SAMPLES
    assert found == baselines((x, y), (x, y), "classification", "cross_entropy")


def test_a_sample_is_divided_without_overlap_and_alike_every_time() -> None:
    x = torch.arange(20)
    (one, _), (other, _) = divided((x, x))
    assert (len(one), len(other)) == (15, 5)
    assert torch.equal(torch.cat([one, other]).sort().values, x)
    assert torch.equal(divided((x, x))[1][0], other)
