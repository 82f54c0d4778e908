"""What is known of a loss that the user passed: its entry, whether it is plain, and what its mean divides by."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
import torch
from test_parts_losses_twins import Case, samples
from torch import nn
from torch.nn import functional as F

from trainwright.parts.losses import CATALOGUE, IGNORED, cross_entropy, is_plain, items, recognise
from trainwright.records import LossSpec

WEIGHT = torch.tensor([0.1, 1.0, 2.5, 7.0], dtype=torch.float64)
USUAL = {"kl_div": "soft", "bce_with_logits": "shares", "mse": "columns", "mae": "columns", "huber": "columns"}


def named(value: Any) -> str:
    """Return the name of a test: without addresses, which differ from process to process."""
    return value if isinstance(value, str) else re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def targets_of(name: str) -> str:
    return USUAL.get(name, "columns" if name == "smooth_l1" else "ids")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_loss_of_torch_that_a_spec_names_is_recognised_and_computes_the_same(name: str) -> None:
    spec = CATALOGUE[name]
    assert recognise(spec.factory()) is spec
    assert is_plain(spec.factory())
    reduction: dict[str, Any] = {"reduction": "batchmean"} if name == "kl_div" else {}
    for torch_name in spec.torch_names:
        found = getattr(nn, torch_name, None)
        loss = found(**reduction) if found is not None else partial(getattr(F, torch_name), **reduction)
        assert recognise(loss) is spec
        assert recognise(getattr(F, torch_name, loss)) is spec
        assert is_plain(loss)
        output, target = samples(Case(name=name, targets=targets_of(name)), 20)
        assert loss(output, target).item() == pytest.approx(spec.factory()(output, target).item(), rel=1e-12)
        count = float(items(loss, target)) / float(items(loss, target[:5]))
        assert count == pytest.approx(4.0, rel=1e-12)


def test_every_loss_of_the_catalogue_but_focal_has_its_twin_in_torch() -> None:
    assert [name for name, spec in CATALOGUE.items() if not spec.torch_names] == ["focal"]


class CrossEntropyLoss(nn.Module):
    """A stranger of the same name."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target)


class Weighted(nn.CrossEntropyLoss):
    """A child of torch's own class: what it computes is its own affair."""


class Counting(nn.Module):
    """A loss of the user's own that says what it divides by."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output.reshape(target.shape) - target).square().sum() / self.count(target)

    def count(self, target: torch.Tensor) -> float:
        return float((target != 0).sum())


def mse_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output - target).abs().mean()


STRANGERS = [
    CrossEntropyLoss(),
    Weighted(),
    mse_loss,
    nn.PoissonNLLLoss(),
    nn.BCELoss(),
    F.binary_cross_entropy,
    partial(mse_loss),
    partial(F.cross_entropy, torch.zeros(3, 2)),
    lambda output, target: 0,
    nn.CrossEntropyLoss,
    None,
    3,
]


@pytest.mark.parametrize("loss", STRANGERS)
def test_what_is_no_loss_of_the_catalogue_is_not_recognised(loss: Any) -> None:
    assert recognise(loss) is None


@pytest.mark.parametrize("loss", [*STRANGERS, nn.L1Loss(reduction="sum"), nn.KLDivLoss(reduction="batchmean")])
def test_what_is_not_known_is_a_mean_over_samples(loss: Any) -> None:
    assert items(loss, torch.zeros(7, 3)) == 7.0


def test_a_loss_of_the_users_own_may_say_what_it_divides_by() -> None:
    assert items(Counting(), torch.tensor([0.0, 1.0, 2.0])) == 2.0


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=WEIGHT),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(ignore_index=0),
        nn.CrossEntropyLoss(reduction="sum"),
        partial(F.cross_entropy, label_smoothing=0.1),
        nn.NLLLoss(weight=WEIGHT),
        nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0])),
        nn.BCEWithLogitsLoss(weight=torch.tensor([2.0])),
        nn.MSELoss(reduction="sum"),
        nn.HuberLoss(delta=2.0),
        partial(F.huber_loss, delta=2.0),
        nn.SmoothL1Loss(beta=0.5),
        nn.KLDivLoss(),
        F.kl_div,
        nn.KLDivLoss(reduction="batchmean", log_target=True),
        *(
            CATALOGUE[name].factory(**options)
            for name, options in (
                ("cross_entropy", {"weights": (1.0, 2.0)}),
                ("cross_entropy", {"label_smoothing": 0.1}),
                ("bce_with_logits", {"pos_weight": 2.0}),
                ("focal", {"gamma": 1.0}),
                ("focal", {"alpha": 0.25}),
                ("huber", {"delta": 2.0}),
            )
        ),
    ],
    ids=named,
)
def test_a_loss_with_options_is_recognised_and_not_plain(loss: Any) -> None:
    assert isinstance(recognise(loss), LossSpec)
    assert not is_plain(loss)


TORCHS: list[tuple[Any, str]] = [
    (nn.CrossEntropyLoss(), "ids"),
    (nn.CrossEntropyLoss(), "tokens"),
    (nn.CrossEntropyLoss(), "soft"),
    (nn.CrossEntropyLoss(weight=WEIGHT), "tokens"),
    (nn.CrossEntropyLoss(weight=WEIGHT), "soft"),
    (nn.CrossEntropyLoss(weight=WEIGHT, ignore_index=2), "ids"),
    (nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.2), "tokens"),
    (nn.CrossEntropyLoss(label_smoothing=0.2), "tokens"),
    (F.cross_entropy, "tokens"),
    (partial(F.cross_entropy, ignore_index=1, weight=WEIGHT), "ids"),
    (nn.NLLLoss(), "tokens"),
    (nn.NLLLoss(weight=WEIGHT, ignore_index=3), "ids"),
    (F.nll_loss, "tokens"),
    (nn.KLDivLoss(reduction="batchmean"), "soft"),
    (nn.BCEWithLogitsLoss(pos_weight=WEIGHT), "shares"),
    (nn.MSELoss(), "columns"),
    (nn.L1Loss(), "columns"),
    (nn.HuberLoss(delta=0.3), "columns"),
    (nn.SmoothL1Loss(beta=2.0), "columns"),
    (F.mse_loss, "columns"),
    (nn.PoissonNLLLoss(), "columns"),
    (lambda output, target: (output - target).square().mean(), "columns"),
]


@pytest.mark.parametrize(("loss", "targets"), TORCHS, ids=named)
def test_ragged_batches_of_torchs_losses_add_up_to_the_big_batch(loss: Any, targets: str) -> None:
    output, target = samples(Case(name="nll" if targets != "columns" else "mse", targets=targets), 40)
    pieces = list(zip(output.split([7, 1, 29, 3]), target.split([7, 1, 29, 3]), strict=True))
    pieces = [(z, y) for z, y in pieces if float(items(loss, y)) > 0]  # where nothing counts, torch's mean is NaN
    counts = [items(loss, y) for _, y in pieces]
    whole = sum(counts)
    mean = sum(loss(z, y) * (count / whole) for (z, y), count in zip(pieces, counts, strict=True))
    # Sums of some hundred float64 numbers in another order.
    assert float(mean) == pytest.approx(loss(output, target).item(), rel=1e-12)


def test_counts_reach_beyond_what_half_and_single_precision_can_hold() -> None:
    target = torch.zeros(1, dtype=torch.int64).expand(2**24 + 1)
    assert float(items(cross_entropy, target)) == 2**24 + 1
    assert float(items(nn.CrossEntropyLoss(), target)) == 2**24 + 1


def test_a_single_target_counts_as_one() -> None:
    assert float(items(nn.MSELoss(), torch.tensor(3.0))) == 1.0
    assert float(items(nn.CrossEntropyLoss(), torch.tensor(3))) == 1.0
    assert float(items(nn.CrossEntropyLoss(), torch.tensor(IGNORED))) == 0.0
    assert items(lambda output, target: output, torch.tensor(3.0)) == 1.0
