from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import DataError
from trainwright.parts import augment_mixes, losses
from trainwright.parts.augment import SOFT_LOSSES, Augment
from trainwright.randomness import sample_uniforms
from trainwright.records import Task

STRENGTHS = [{"mixup": 1.0}, {"cutmix": 1.0}]


def mixed(
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    epoch: int = 0,
    task: Task = "classification",
    outputs: int = 10,
    indices: torch.Tensor | None = None,
    mixup: float = 0.0,
    cutmix: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    augment = Augment({"mixup": mixup, "cutmix": cutmix}, seed=0, task=task, outputs=outputs)
    return augment(x, y, epoch=epoch, indices=torch.arange(len(x)) if indices is None else indices)


def own_images(count: int, side: int = 12) -> torch.Tensor:
    """Images that are their own number throughout, so that every pixel says where it comes from."""
    return torch.arange(count).double().reshape(-1, 1, 1, 1).expand(-1, 2, side, side + 3)


def two_samples(left: np.ndarray, right: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples, scaled: above 1.95 with probability 0.001 if they are alike."""
    values = np.concatenate([left, right])
    shares = [np.searchsorted(np.sort(part), values, side="right") / len(part) for part in (left, right)]
    return float(np.abs(shares[0] - shares[1]).max() * math.sqrt(len(left) * len(right) / (len(left) + len(right))))


@settings(deadline=None)  # the first call imports scipy
@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_partners_form_one_circle(count: int, seed: int) -> None:
    partner = augment_mixes.partners(sample_uniforms(seed, 0, torch.arange(count), 1, "mix")[:, 0])
    seen, place = [], 0
    for _ in range(count):
        seen.append(place)
        place = int(partner[place])
    assert sorted(seen) == list(range(count))
    assert place == 0


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 3.0])
def test_shares_are_drawn_from_the_beta_distribution(alpha: float) -> None:
    drawn = augment_mixes.beta_quantiles(sample_uniforms(1, 0, torch.arange(20_000), 1, "mix")[:, 0], alpha).numpy()
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert drawn.mean() == pytest.approx(0.5, abs=4 * math.sqrt(drawn.var() / 20_000))
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)
    assert two_samples(drawn, np.random.default_rng(0).beta(alpha, alpha, 20_000)) < 1.95


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_shares_that_mixup_gives_to_the_targets_are_beta_distributed(alpha: float) -> None:
    y = torch.arange(4000)
    _, soft = mixed(torch.zeros(4000, 1), y, outputs=4000, mixup=alpha)
    assert two_samples(soft[y, y].numpy(), np.random.default_rng(1).beta(alpha, alpha, 4000)) < 1.95


@settings(deadline=None)  # the first call imports scipy
@given(count=st.integers(2, 15), epoch=st.integers(0, 100))
def test_mixup_blends_a_sample_and_its_target_with_a_partner_in_the_same_shares(count: int, epoch: int) -> None:
    generator = torch.Generator().manual_seed(count)
    x = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    result, soft = mixed(x, torch.arange(count), epoch=epoch, outputs=count, mixup=1.0)
    assert soft.shape == (count, count)
    assert soft.dtype == torch.float64
    torch.testing.assert_close(soft.sum(1), torch.ones(count, dtype=torch.float64))
    assert ((soft > 0).sum(1) <= 2).all()
    torch.testing.assert_close(result, soft @ x)  # each row of `soft` says which samples it was made of


@settings(deadline=None)  # the first call imports scipy
@given(count=st.integers(2, 9), epoch=st.integers(0, 200), alpha=st.sampled_from([0.3, 1.0]))
def test_cutmix_gives_each_class_the_share_of_the_pixels_that_it_really_has(
    count: int, epoch: int, alpha: float
) -> None:
    x = own_images(count)
    result, soft = mixed(x, torch.arange(count), epoch=epoch, outputs=count, cutmix=alpha)
    assert torch.equal(result[:, 0], result[:, 1])
    for image in range(count):
        found = torch.bincount(result[image, 0].long().flatten(), minlength=count).double() / result[image, 0].numel()
        torch.testing.assert_close(soft[image], found, atol=1e-12, rtol=0)


def test_what_cutmix_pastes_is_a_rectangle_at_its_own_place() -> None:
    x = torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    keys = sample_uniforms(0, 4, torch.arange(40), 1, "mix")[:, 0]
    partner = augment_mixes.partners(keys)
    result, _ = mixed(x, torch.zeros(40, dtype=torch.long), epoch=4, cutmix=1.0)
    pasted = (result != x).any(1)
    assert torch.equal(pasted.sum(dim=(1, 2)), pasted.any(2).sum(1) * pasted.any(1).sum(1))
    assert torch.equal(torch.where(pasted[:, None], x[partner], x), result)
    assert int(pasted.flatten(1).any(1).sum()) > 30


def test_a_rectangle_of_a_quarter_lies_where_its_centre_is_and_is_cut_at_the_edge() -> None:
    images = own_images(3, side=8)[:, :, :, :8]
    centres = torch.tensor([[0.5, 0.5], [0.0, 0.5], [0.99, 0.99]], dtype=torch.float64)
    share = torch.full((3,), 0.75, dtype=torch.float64)
    result, kept = augment_mixes.paste(images, torch.tensor([1, 2, 0]), share, centres)
    assert kept.tolist() == [1 - 16 / 64, 1 - 8 / 64, 1 - 9 / 64]
    assert (result[0, :, 2:6, 2:6] == 1).all()
    assert (result[1, :, :2, 2:6] == 2).all()
    assert (result[2, :, 5:, 5:] == 0).all()


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_a_sample_that_is_alone_stays_as_it_is_with_a_target_of_the_same_form(strengths: dict[str, Any]) -> None:
    x = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    result, soft = mixed(x, torch.tensor([7]), **strengths)
    torch.testing.assert_close(result, x)
    torch.testing.assert_close(soft, torch.eye(10)[7:8])
    assert soft.dtype == torch.float32


def test_targets_are_soft_even_where_nothing_is_mixed() -> None:
    y = torch.tensor([0, 1, 2, 3, 4, 5])
    _, soft = mixed(torch.zeros(6, 1), y, mixup=1e-9)  # every share is 0 or 1
    assert soft.shape == (6, 10)
    assert set(soft.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_the_order_within_a_batch_changes_nothing(strengths: dict[str, Any]) -> None:
    x = torch.randn(11, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y, order = torch.arange(11) % 10, torch.randperm(11, generator=torch.Generator().manual_seed(1))
    indices = torch.arange(100, 111)
    result, soft = mixed(x, y, indices=indices, **strengths)
    other, other_soft = mixed(x[order], y[order], indices=indices[order], **strengths)
    assert torch.equal(other, result[order])
    assert torch.equal(other_soft, soft[order])


def test_where_both_are_on_each_batch_gets_one_of_them_with_equal_chances() -> None:
    x = own_images(5, side=4)
    count = 0
    for epoch in range(1600):
        result, soft = mixed(x, torch.arange(5), epoch=epoch, outputs=5, mixup=5.0, cutmix=1.0)
        blended = bool((result % 1 != 0).any())
        count += blended
        if blended:
            torch.testing.assert_close(result[:, 0, 0, 0], soft @ torch.arange(5).double())
        else:
            shares = torch.stack([(result[:, 0] == own).double().mean(dim=(1, 2)) for own in range(5)], 1)
            torch.testing.assert_close(soft, shares)
    assert abs(count - 800) < 4 * math.sqrt(1600 / 4)


@pytest.mark.parametrize("shape", [(9,), (9, 1)])
def test_targets_of_a_single_logit_become_numbers_in_their_own_shape(shape: tuple[int, ...]) -> None:
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1])
    result, soft = mixed(torch.cat([x, y[:, None]], 1), y.reshape(shape), outputs=1, mixup=1.0)
    assert soft.shape == shape
    torch.testing.assert_close(soft.flatten(), result[:, 4])  # what was an input as well was mixed alike
    assert int(((soft > 0) & (soft < 1)).sum()) > 2


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_labels_and_values_are_mixed_in_their_own_shape(task: Task) -> None:
    y = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = (y > 0).double() if task == "multi-label" else y
    result, soft = mixed(y.clone(), y, task=task, outputs=3, mixup=1.0)
    assert soft.shape == (7, 3)
    torch.testing.assert_close(soft, result)


def test_whole_labels_and_values_become_numbers() -> None:
    for task in ("multi-label", "regression"):
        _, soft = mixed(torch.zeros(4, 2), torch.ones(4, 2, dtype=torch.long), task=task, outputs=2, mixup=1.0)
        assert soft.dtype == torch.float32


def test_targets_that_are_soft_already_are_mixed_as_they_are() -> None:
    y = torch.rand(6, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    x = y.clone()
    result, soft = mixed(x, y, outputs=4, mixup=1.0)
    torch.testing.assert_close(soft, result)
    torch.testing.assert_close(soft.sum(1), torch.ones(6))


@pytest.mark.parametrize("y", [torch.tensor([0, 1, -100]), torch.tensor([0, 1, 10]), torch.zeros(3, 2).long()])
def test_targets_that_are_no_class_of_a_sample_are_refused(y: torch.Tensor) -> None:
    with pytest.raises(DataError, match="one class for each sample"):
        mixed(torch.zeros(3, 2), y, mixup=0.2)


def gradient(loss: Any, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    output = output.clone().requires_grad_()
    (result,) = torch.autograd.grad(loss(output, target), output)
    return result


@pytest.mark.parametrize("name", [name for name in SOFT_LOSSES if name in losses.CATALOGUE])
def test_the_gradient_at_a_mixed_target_is_the_mix_of_the_gradients(name: str) -> None:
    spec = losses.CATALOGUE[name]
    generator = torch.Generator().manual_seed(0)
    outputs = spec.output_units(3) if spec.target != "binary" else 1
    z = torch.randn(8, outputs, generator=generator, dtype=torch.float64)
    z = z.log_softmax(1) if spec.expects == "log-probabilities" else z
    y = torch.arange(8) % (2 if outputs == 1 else 3)
    own = augment_mixes.soft_targets(y, task="classification", outputs=outputs, dtype=torch.float64)
    partner, share = torch.arange(8).roll(1), torch.linspace(0, 1, 8).double()
    soft = augment_mixes.mix(own, partner, share)
    weight, loss = share[:, None], spec.factory()
    expected = weight * gradient(loss, z, own) + (1 - weight) * gradient(loss, z, own[partner])
    torch.testing.assert_close(gradient(loss, z, soft), expected)
