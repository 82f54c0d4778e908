"""What losses refuse: shapes that torch would broadcast, types that cannot be right, and, once, values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from test_parts_losses_twins import TWINS, Case, every_case, samples
from torch.nn import functional as F

from trainwright.errors import DataError, ModelError
from trainwright.parts.losses import (
    CATALOGUE,
    IGNORED,
    bce_with_logits,
    check_output,
    check_target,
    cross_entropy,
    mse,
)

ELEMENTWISE = ("bce_with_logits", "mse", "mae", "huber", "smooth_l1")
OF_CLASSES = ("cross_entropy", "nll", "kl_div", "focal")


# --- shapes ---


@pytest.mark.parametrize("name", [*ELEMENTWISE, "focal"])
@pytest.mark.parametrize(("out", "wanted"), [((6, 1), (6,)), ((6,), (6, 1)), ((6, 1), (6, 1)), ((1, 1), (1,))])
def test_a_column_against_a_row_is_never_broadcast(name: str, out: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    output, target = samples(Case(name=name, targets="shares"), out[0])
    output, target = output[:, :1], target[:, :1]
    value = CATALOGUE[name].factory()(output.reshape(out), target.reshape(wanted))
    total, count = TWINS[name](output.numpy(), target.numpy())
    assert value.item() == pytest.approx(total / count, rel=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        ((6, 2), (6,)),
        ((6,), (6, 2)),
        ((6, 2), (6, 1)),
        ((2, 3), (3, 2)),
        ((6, 2), (12,)),
        ((5, 1), (6, 1)),
        ((5,), (6,)),
        ((1, 6), (6,)),
        ((1, 6), (6, 1)),
        ((6,), (1, 6)),
        ((), ()),
        ((6,), ()),
    ],
)
def test_values_of_another_shape_are_refused_naming_both(
    name: str, out: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    with pytest.raises(ModelError, match="the same shape") as caught:
        CATALOGUE[name].factory()(torch.zeros(out), torch.zeros(wanted))
    assert f"{out}, the target {wanted}" in str(caught.value)


@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        ((6, 3), (6, 1)),
        ((6, 3), (5,)),
        ((6, 3), ()),
        ((6, 3, 4), (6, 3)),
        ((6, 3, 4), (6,)),
        ((6, 3), (18,)),
        ((), (6,)),
    ],
)
def test_class_ids_of_another_shape_are_refused_naming_both(
    name: str, out: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    with pytest.raises(ModelError, match="one row of outputs for each class id") as caught:
        CATALOGUE[name].factory()(torch.zeros(out), torch.zeros(wanted, dtype=torch.int64))
    assert f"{out}, the target {wanted}" in str(caught.value)


@pytest.mark.parametrize(
    ("out", "target", "remedy"),
    [
        ((6, 3), torch.zeros(6), "target.long()"),
        ((6, 3), torch.zeros(6, dtype=torch.float64), "target.long()"),
        ((6, 3), torch.zeros(6, 3, dtype=torch.int64), "target.argmax(1)"),
        ((6, 5, 3), torch.zeros(6, 5, dtype=torch.int64), "output.transpose(1, 2)"),
        ((6, 3), torch.zeros(6, 2), "a probability for each output unit"),
        ((6, 3), torch.zeros(5, dtype=torch.int64), "one output unit for each class"),
        ((6, 3), torch.zeros(6, 3, dtype=torch.complex64), "one output unit for each class"),
    ],
)
def test_a_refused_class_target_says_what_to_pass(out: tuple[int, ...], target: torch.Tensor, remedy: str) -> None:
    for name in ("cross_entropy", "nll", "kl_div"):
        if target.is_complex():
            with pytest.raises(ModelError):
                CATALOGUE[name].factory()(torch.zeros(out), target)
            continue
        with pytest.raises(ModelError) as caught:
            CATALOGUE[name].factory()(torch.zeros(out), target)
        assert remedy in caught.value.remedy
        assert str(target.dtype) in caught.value.evidence


@pytest.mark.parametrize("name", ["cross_entropy", "nll", "kl_div"])
def test_a_softmax_over_one_unit_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="a softmax over a single one is always 1"):
        CATALOGUE[name].factory()(torch.zeros(6, 1), torch.zeros(6, dtype=torch.int64))


def test_a_label_that_no_unit_stands_for_is_an_error_and_no_number() -> None:
    for name in OF_CLASSES:
        with pytest.raises(IndexError, match="out of bounds"):
            CATALOGUE[name].factory()(torch.zeros(4, 3), torch.tensor([0, 1, 2, 3]))


# --- types ---


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8, torch.bool, torch.uint8, torch.float64])
def test_answers_and_values_of_any_type_are_taken(dtype: torch.dtype) -> None:
    target = torch.tensor([0, 1, 1]).to(dtype)
    output = torch.tensor([[0.3], [-1.0], [2.0]])
    total, count = TWINS["bce_with_logits"](np.array([0.3, -1.0, 2.0]), np.array([0, 1, 1]))
    assert bce_with_logits(output, target).item() == pytest.approx(total / count, rel=1e-6)
    assert mse(torch.zeros(3), target).dtype == torch.float32
    focal = CATALOGUE["focal"].factory()
    assert focal(output, target).item() == pytest.approx(focal(output, target.double()).item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_class_ids_of_any_whole_type_are_taken(name: str, dtype: torch.dtype) -> None:
    output, target = torch.randn(5, 2).log_softmax(1), torch.tensor([0, 1, 1, 0, 1])
    loss: Any = CATALOGUE[name].factory()
    assert loss(output, target.to(dtype)).item() == loss(output, target).item()
    assert float(loss.count(target.to(dtype))) == 5.0


@every_case
def test_whole_numbers_for_outputs_are_refused(case: Case) -> None:
    output, target = samples(case, 4)
    with pytest.raises(ModelError, match="needs floating-point outputs"):
        case.loss(output.round().long(), target)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_complex_values_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="real targets"):
        CATALOGUE[name].factory()(torch.zeros(4), torch.zeros(4, dtype=torch.complex64))


# --- values, read once before the first step ---


@every_case
def test_sound_targets_and_outputs_pass(case: Case) -> None:
    output, target = samples(case, 50)
    check_target(case.spec, target)
    check_output(case.spec, output)
    check_target(case.spec, target.float() if target.is_floating_point() else target, outputs=4)
    check_output(case.spec, output.bfloat16())


@pytest.mark.parametrize(
    ("names", "target", "words"),
    [
        (
            ("cross_entropy", "nll", "kl_div", "focal"),
            torch.tensor([0, 1, -1]),
            "1 of 3 targets are others, the first -1",
        ),
        (("cross_entropy", "nll", "kl_div"), torch.tensor([[0.5, 0.6]]), "a row of the target is off by 0.1"),
        (("cross_entropy", "nll", "kl_div"), torch.tensor([[-0.5, 1.5]]), "they run from -0.5 to 1.5"),
        (("cross_entropy", "nll", "kl_div"), torch.tensor([[1.0, 1.0, 0.0]]), "for several labels at once use bce"),
        (("bce_with_logits", "focal"), torch.tensor([[-1.0], [1.0]]), "the labels are -1 and 1: map them to 0 and 1"),
        (("bce_with_logits",), torch.tensor([1, 2, 1]), "the labels are 1 and 2: map them to 0 and 1"),
        (("bce_with_logits",), torch.tensor([0, 1, 3]), "they run from 0 to 3"),
        (("bce_with_logits", "focal"), torch.tensor([[0.5, 1.5]]), "they run from 0.5 to 1.5"),
    ],
)
def test_targets_that_cannot_be_are_refused(names: tuple[str, ...], target: torch.Tensor, words: str) -> None:
    for name in names:
        with pytest.raises(DataError) as caught:
            check_target(CATALOGUE[name], target)
        assert words in str(caught.value)


def test_a_class_without_a_unit_is_refused_where_the_units_are_known() -> None:
    target = torch.tensor([0, 3, IGNORED])
    check_target(CATALOGUE["cross_entropy"], target)
    check_target(CATALOGUE["cross_entropy"], target, outputs=4)
    with pytest.raises(DataError, match=r"at most 2(.|\n)*the first 3"):
        check_target(CATALOGUE["cross_entropy"], target, outputs=3)


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_no_number_is_left_to_others(name: str) -> None:
    check_target(CATALOGUE[name], torch.full((4, 2), torch.nan))
    check_output(CATALOGUE[name], torch.full((4, 2), torch.nan))
    check_target(CATALOGUE[name], torch.zeros(0, 2))


@pytest.mark.parametrize("name", ["nll", "kl_div"])
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5)])
def test_outputs_that_are_no_log_probabilities_are_refused_with_the_layer_to_append(
    name: str, shape: tuple[int, ...]
) -> None:
    raw = torch.randn(shape)
    with pytest.raises(ModelError, match=r"append nn.LogSoftmax\(1\)"):
        check_output(CATALOGUE[name], raw)
    with pytest.raises(ModelError, match=r"put nn.LogSoftmax\(1\) in the place of nn.Softmax\(1\)"):
        check_output(CATALOGUE[name], raw.softmax(1))
    check_output(CATALOGUE[name], raw.log_softmax(1))
    for other in ("cross_entropy", "focal", "bce_with_logits", "mse"):
        check_output(CATALOGUE[other], raw)


def test_the_sum_that_is_named_is_the_one_that_is_off() -> None:
    output = F.log_softmax(torch.randn(5, 3), 1)
    output[3] += np.log(2.5)
    with pytest.raises(ModelError, match=r"exp\(output\) sums to 2.5 "):
        check_output(CATALOGUE["nll"], output)


def test_checks_change_nothing() -> None:
    output, target = torch.randn(5, 3, requires_grad=True), torch.tensor([0, 1, 2, IGNORED, 1])
    before: Any = output.detach().clone(), target.clone()
    check_output(CATALOGUE["cross_entropy"], output)
    check_target(CATALOGUE["cross_entropy"], target)
    assert torch.equal(output.detach(), before[0])
    assert torch.equal(target, before[1])
    assert output.grad is None
    assert cross_entropy(output, target).requires_grad
