"""Class weights, label smoothing, soft targets, tokens that do not count, focal loss, divergence, Huber's corner."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_parts_losses_twins import CLASSES, WEIGHTS
from torch.nn import functional as F

from trainwright.errors import ModelError, UsageError
from trainwright.parts.loss_catalogue import CATALOGUE
from trainwright.parts.loss_classes import CrossEntropy, KullbackLeibler, NegativeLogLikelihood
from trainwright.parts.loss_focal import Focal
from trainwright.parts.loss_functions import BinaryCrossEntropy, Huber, SmoothL1
from trainwright.parts.losses import IGNORED, balanced, bce_with_logits, cross_entropy

counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=30).filter(any)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def ids(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, CLASSES, shape, generator=torch.Generator().manual_seed(seed))


# --- weights and smoothing ---


@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_weights_and_ignored_tokens_are_those_of_torch(weights: tuple[float, ...]) -> None:
    output, target = logits(6, CLASSES, 5), ids(6, 5)
    target[:, 3:] = IGNORED
    theirs = F.cross_entropy(output, target, weight=torch.tensor(weights, dtype=torch.float64) if weights else None)
    assert CrossEntropy(weights=weights)(output, target).item() == pytest.approx(theirs.item(), rel=1e-12)


def test_smoothing_without_weights_is_that_of_torch() -> None:
    output, target = logits(50, CLASSES), ids(50)
    theirs = F.cross_entropy(output, target, label_smoothing=0.2)
    assert CrossEntropy(label_smoothing=0.2)(output, target).item() == pytest.approx(theirs.item(), rel=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_weights_leave_the_best_answer_under_smoothing_as_it_was(soft: bool) -> None:
    # Three frequent classes and a rare one of a thousand times their weight.
    weights, smoothing, target = (1.0, 1.0, 1.0, 1000.0), 0.1, torch.arange(CLASSES)
    wanted = (1 - smoothing) * torch.eye(CLASSES, dtype=torch.float64) + smoothing / CLASSES
    loss = CrossEntropy(weights=weights, label_smoothing=smoothing)
    best = wanted.log().requires_grad_()
    loss(best, torch.eye(CLASSES, dtype=torch.float64) if soft else target).backward()
    assert best.grad is not None
    assert best.grad.abs().max() < 1e-15  # the smoothed target itself is where the slope is zero
    assert (best.argmax(1) == target).all()

    theirs = wanted.log().requires_grad_()
    weight = torch.tensor(weights, dtype=torch.float64)
    for _ in range(2000):
        value = F.cross_entropy(theirs, target, weight=weight, label_smoothing=smoothing, reduction="none").sum()
        (slope,) = torch.autograd.grad(value, theirs)
        theirs = (theirs - 0.01 * slope).detach().requires_grad_()
    assert (theirs.argmax(1) == CLASSES - 1).all()  # torch's drifts to the rare class whatever the label


def test_a_sample_of_weight_two_is_two_samples() -> None:
    output, target = logits(3, CLASSES), torch.tensor([0, 1, 1])
    twice = torch.cat([output, output[1:]]), torch.cat([target, target[1:]])
    loss = CrossEntropy(weights=(1.0, 2.0, 5.0, 5.0), label_smoothing=0.1)
    plain = CrossEntropy(label_smoothing=0.1)
    assert loss(output, target).item() == pytest.approx(plain(*twice).item(), rel=1e-12)
    assert float(loss.count(target)) == 5.0


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_certain_probabilities_are_class_ids(weights: tuple[float, ...], smoothing: float) -> None:
    loss = CrossEntropy(weights=weights, label_smoothing=smoothing)
    output, target = logits(20, CLASSES, 3), ids(20, 3)
    certain = F.one_hot(target, CLASSES).double().movedim(-1, 1)
    assert loss(output, certain).item() == pytest.approx(loss(output, target).item(), rel=1e-12)
    assert float(loss.count(certain)) == pytest.approx(float(loss.count(target)), rel=1e-12)


def test_mixed_targets_cost_the_mix_of_both_costs() -> None:
    # Mixup's own claim: the loss of a blend of two targets is the blend of two losses.
    output, share = logits(20, CLASSES), 0.3
    one, other = F.one_hot(ids(20), CLASSES).double(), F.one_hot(ids(20, seed=2), CLASSES).double()
    both = cross_entropy(output, share * one + (1 - share) * other)
    apart = share * cross_entropy(output, one) + (1 - share) * cross_entropy(output, other)
    assert both.item() == pytest.approx(apart.item(), rel=1e-12)


def test_tokens_are_samples_of_their_own() -> None:
    output, target = logits(5, CLASSES, 7), ids(5, 7)
    flat = output.transpose(1, 2).reshape(-1, CLASSES), target.reshape(-1)
    for loss in (CrossEntropy(weights=WEIGHTS, label_smoothing=0.1), Focal(weights=WEIGHTS)):
        assert loss(output, target).item() == pytest.approx(loss(*flat).item(), rel=1e-12)
    assert float(cross_entropy.count(target)) == 35.0


def test_padding_changes_nothing() -> None:
    output, target = logits(4, CLASSES, 6), ids(4, 6)
    target[:, 4:] = IGNORED
    other = output.clone()
    other[:, :, 4:] = 1e6
    for loss in (CrossEntropy(weights=WEIGHTS, label_smoothing=0.1), Focal(weights=WEIGHTS)):
        short = loss(output[:, :, :4], target[:, :4])
        assert loss(output, target).item() == pytest.approx(short.item(), rel=1e-12)
        assert loss(other, target).item() == pytest.approx(short.item(), rel=1e-12)
        assert float(loss.count(target)) == pytest.approx(float(loss.count(target[:, :4])), rel=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropy(),
        CrossEntropy(weights=WEIGHTS, label_smoothing=0.1),
        NegativeLogLikelihood(),
        KullbackLeibler(),
        Focal(),
    ],
    ids=repr,
)
def test_a_batch_in_which_nothing_counts_gives_zero_and_no_gradient(loss: CrossEntropy) -> None:
    output = logits(4, CLASSES, 6).float().log_softmax(1).requires_grad_()
    target = torch.full((4, 6), IGNORED)
    value = loss(output, target)
    value.backward()
    assert output.grad is not None
    assert value.item() == 0.0
    assert (output.grad == 0).all()
    assert float(loss.count(target)) == 0.0


def test_a_batch_of_samples_without_any_label_is_torchs_nan() -> None:
    target = torch.full((4,), IGNORED)
    assert math.isnan(cross_entropy(logits(4, CLASSES), target).item())
    assert float(cross_entropy.count(target)) == 0.0
    assert CrossEntropy(weights=WEIGHTS)(logits(4, CLASSES), target).item() == 0.0


def test_a_class_of_weight_zero_is_ignored() -> None:
    loss, output, target = CrossEntropy(weights=(0.0, 1.0, 1.0, 1.0)), logits(20, CLASSES), ids(20)
    kept = target != 0
    assert 0 < kept.sum() < 20
    assert loss(output, target).item() == pytest.approx(cross_entropy(output[kept], target[kept]).item(), rel=1e-12)
    assert float(loss.count(torch.zeros(5, dtype=torch.int64))) == 0.0
    assert loss(output[:5], torch.zeros(5, dtype=torch.int64)).item() == 0.0


def test_class_156_in_bytes_is_no_padding() -> None:
    # -100 as an unsigned byte is 156: compared as bytes, that class would silently not count.
    output, target = logits(8, 200), torch.full((8,), 156, dtype=torch.uint8)
    for loss in (cross_entropy, Focal(), CrossEntropy(weights=(1.0,) * 200)):
        assert float(loss.count(target)) == 8.0
        assert loss(output, target).item() == loss(output, target.long()).item() > 0


@given(counts=counts)
@settings(deadline=None, max_examples=50)
def test_balanced_weights_let_every_class_count_alike(counts: list[int]) -> None:
    weights = balanced(counts)
    shares = [weight * count for weight, count in zip(weights, counts, strict=True) if count]
    assert shares == pytest.approx([sum(counts) / len(shares)] * len(shares), rel=1e-12)
    assert math.fsum(shares) == pytest.approx(sum(counts), rel=1e-12)  # the mean weight of a sample is 1
    assert all(weight == 1.0 for weight, count in zip(weights, counts, strict=True) if not count)
    assert CrossEntropy(weights=weights).weights == weights


def test_balanced_weights_are_the_textbooks() -> None:
    # n / (C n_c): 100 / (2 * 90) and 100 / (2 * 10).
    assert balanced((90, 10)) == pytest.approx((5 / 9, 5.0), rel=1e-15)
    assert balanced((7, 7, 7)) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("bad", [(), (0, 0), (-1, 5), (math.nan, 1), (math.inf, 1)])
def test_what_is_no_count_of_samples_is_refused(bad: tuple) -> None:
    with pytest.raises(UsageError, match="balanced"):
        balanced(bad)


@pytest.mark.parametrize("bad", ["balanced", (0.0, 0.0), (-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0), 3.0, ("a",)])
@pytest.mark.parametrize("make", [CrossEntropy, NegativeLogLikelihood, Focal])
def test_what_can_be_no_weights_is_refused_when_the_loss_is_made(make: type, bad: object) -> None:
    with pytest.raises(UsageError, match="weigh"):
        make(weights=bad)


@pytest.mark.parametrize("make", [CrossEntropy, NegativeLogLikelihood, Focal])
@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0,) * 5])
def test_a_wrong_number_of_weights_is_refused(make: type, weights: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match=f"a weight for each of {len(weights)} classes, and the model tells 4 apart"):
        make(weights=weights)(logits(8, CLASSES).log_softmax(1), ids(8) % 2)


def test_weights_may_be_a_list() -> None:
    assert CrossEntropy(weights=[1, 2, 3]) == CrossEntropy(weights=(1.0, 2.0, 3.0))  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, "balanced"])
def test_what_can_be_no_pos_weight_is_refused(bad: float) -> None:
    with pytest.raises(UsageError, match="pos_weight"):
        BinaryCrossEntropy(pos_weight=bad)


def test_pos_weight_is_that_of_torch() -> None:
    output, target = logits(9, 3), (logits(9, 3, seed=3) > 0).double()
    theirs = F.binary_cross_entropy_with_logits(output, target, pos_weight=torch.tensor(3.0, dtype=torch.float64))
    assert BinaryCrossEntropy(pos_weight=3.0)(output, target).item() == pytest.approx(theirs.item(), rel=1e-12)


# --- focal loss ---


def test_at_gamma_zero_focal_is_cross_entropy() -> None:
    output, target = logits(30, CLASSES), ids(30)
    for weights in ((), WEIGHTS):
        loss, plain = Focal(gamma=0.0, weights=weights), CrossEntropy(weights=weights)
        assert loss(output, target).item() == pytest.approx(plain(output, target).item(), rel=1e-12)
    answers = (logits(30, CLASSES, seed=5) > 0).double()
    assert Focal(gamma=0.0)(output, answers).item() == pytest.approx(bce_with_logits(output, answers).item(), rel=1e-12)


def test_two_units_under_a_softmax_are_one_under_a_sigmoid() -> None:
    output, target = logits(30, 2), ids(30) % 2
    one = (output[:, 1] - output[:, 0])[:, None]
    for loss in (Focal(), Focal(gamma=0.5), Focal(weights=(0.2, 3.0))):
        assert loss(output, target).item() == pytest.approx(loss(one, target).item(), rel=1e-12)
        assert loss(one, target).item() == pytest.approx(loss(one, target.double()).item(), rel=1e-12)


@given(gamma=st.floats(0, 5), more=st.floats(0.1, 5))
@settings(deadline=None, max_examples=30)
def test_focal_plays_the_easy_down_more_than_the_hard(gamma: float, more: float) -> None:
    easy, hard = (torch.tensor([[0.0, z]], dtype=torch.float64) for z in (4.0, -4.0))
    target = torch.tensor([1])

    def kept(output: torch.Tensor) -> float:
        weak, strong = Focal(gamma=gamma), Focal(gamma=gamma + more)
        return strong(output, target).item() / weak(output, target).item()

    assert kept(easy) < kept(hard) <= 1.0
    # The factor itself: (1 - p)^more.
    assert kept(easy) == pytest.approx((1 - 1 / (1 + math.exp(-4))) ** more, rel=1e-9)


def test_alpha_weighs_yes_and_the_rest_weighs_no() -> None:
    # Lin et al. 2017: alpha for yes, 1 - alpha for no; at alpha 0 both count in full.
    for answer, share in ((1.0, 0.25), (0.0, 0.75)):
        output, target = torch.tensor([[0.7]], dtype=torch.float64), torch.tensor([[answer]])
        assert Focal(alpha=0.25)(output, target).item() == pytest.approx(
            share * Focal()(output, target).item(), rel=1e-12
        )


def test_alpha_is_refused_for_one_class_out_of_several() -> None:
    with pytest.raises(ModelError, match="one class out of 4"):
        Focal(alpha=0.25)(logits(8, CLASSES), ids(8))


def test_focal_starts_lower_with_alpha_by_its_mean() -> None:
    initial = CATALOGUE["focal"].initial
    assert initial is not None
    assert initial(1) == initial(2) == pytest.approx(math.log(2) / 4, rel=1e-12)
    assert initial(1, alpha=0.25) == pytest.approx(math.log(2) / 8, rel=1e-12)
    assert initial(10, gamma=2.0) == pytest.approx(0.81 * math.log(10), rel=1e-12)


# --- divergence ---


def test_the_divergence_is_not_symmetric() -> None:
    # G4: "Not symmetric."
    p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.1, 0.9], [0.5, 0.5]))
    loss = KullbackLeibler()
    forward, backward = loss(q.log(), p).item(), loss(p.log(), q).item()
    assert forward == pytest.approx(0.1 * math.log(0.2) + 0.9 * math.log(1.8), rel=1e-12)
    assert backward == pytest.approx(0.5 * math.log(5) + 0.5 * math.log(5 / 9), rel=1e-12)
    assert abs(forward - backward) > 0.1


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_the_divergence_is_cross_entropy_less_the_entropy_of_the_target(seed: int) -> None:
    output, target = logits(9, CLASSES, seed=seed), logits(9, CLASSES, seed=seed + 1).softmax(1)
    entropy = -(target * target.log()).sum(1).mean().item()
    value = KullbackLeibler()(output.log_softmax(1), target).item()
    assert value == pytest.approx(cross_entropy(output, target).item() - entropy, rel=1e-9)
    assert value > 0
    assert KullbackLeibler()(target.log(), target).item() == pytest.approx(0.0, abs=1e-15)


def test_the_divergence_takes_zeros_and_is_torchs_batchmean() -> None:
    output = logits(6, CLASSES).log_softmax(1)
    target = F.one_hot(ids(6), CLASSES).double()
    value = KullbackLeibler()(output, target).item()
    assert value == pytest.approx(F.kl_div(output, target, reduction="batchmean").item(), rel=1e-12)
    assert value == pytest.approx(NegativeLogLikelihood()(output, ids(6)).item(), rel=1e-12)
    assert value == pytest.approx(KullbackLeibler()(output, ids(6)).item(), rel=1e-12)


# --- Huber and its relative ---


@given(delta=st.floats(0.01, 100), sign=st.sampled_from([-1.0, 1.0]))
@settings(deadline=None, max_examples=50)
def test_huber_and_its_slope_are_continuous_at_delta(delta: float, sign: float) -> None:
    # G4's text has the whole square inside, which would jump from delta^2 to delta^2 / 2.
    zero, loss = torch.zeros(1, dtype=torch.float64), Huber(delta=delta)
    values, slopes = [], []
    for side in (1 - 1e-9, 1.0, 1 + 1e-9):
        error = torch.tensor([sign * delta * side], dtype=torch.float64, requires_grad=True)
        value = loss(error, zero)
        (slope,) = torch.autograd.grad(value, error)
        values.append(value.item())
        slopes.append(slope.item())
    assert values == pytest.approx([delta**2 / 2] * 3, rel=1e-8)
    assert slopes == pytest.approx([sign * delta] * 3, rel=1e-8)


@given(delta=st.floats(0.01, 100), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_smooth_l1_is_huber_over_its_threshold_and_equal_at_one_alone(delta: float, seed: int) -> None:
    output, target = logits(20, 2, seed=seed), logits(20, 2, seed=seed + 1)
    huber, smooth = Huber(delta=delta)(output, target).item(), SmoothL1(beta=delta)(output, target).item()
    assert huber == pytest.approx(delta * smooth, rel=1e-12)
    for other in (0.5, 2.0):
        apart = Huber(delta=other)(output, target).item() / SmoothL1(beta=other)(output, target).item()
        assert apart == pytest.approx(other, rel=1e-12)
    assert Huber()(output, target).item() == pytest.approx(SmoothL1()(output, target).item(), rel=1e-12)


def test_the_gradient_of_an_outlier_is_bounded_but_for_the_square() -> None:
    target = torch.zeros(1, dtype=torch.float64)
    slopes = {}
    for name, options in (("mse", {}), ("mae", {}), ("huber", {"delta": 2.5}), ("smooth_l1", {"beta": 2.5})):
        error = torch.tensor([1000.0], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(CATALOGUE[name].factory(**options)(error, target), error)
        slopes[name] = slope.item()
    assert slopes == {"mse": 2000.0, "mae": 1.0, "huber": 2.5, "smooth_l1": 1.0}


def test_the_constant_of_least_absolute_error_is_the_median() -> None:
    target = torch.tensor([1.0, 2.0, 3.0, 4.0, 1000.0])
    costs = {
        guess: CATALOGUE["mae"].factory()(torch.full((5,), guess), target).item() for guess in np.arange(0.0, 300.0)
    }
    assert min(costs, key=lambda guess: costs[guess]) == 3.0
    at_target = target.clone().requires_grad_()
    CATALOGUE["mae"].factory()(at_target, target).backward()
    assert at_target.grad is not None
    assert (at_target.grad == 0).all()
