from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.errors import DataError
from trainwright.tensors import (
    buffers_restored,
    copy_state,
    digest,
    evaluating,
    global_norm,
    is_normalisation,
    to_tensor,
)


def state(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3, 4]]), **changes}


def test_a_digest_does_not_depend_on_order_or_memory_layout() -> None:
    kept = digest(state())
    assert digest(dict(reversed(state().items()))) == kept
    assert digest(state(a=torch.tensor([[1.0, 0.0], [2.0, 0.0]])[:, 0])) == kept
    assert len(kept) == 64


@pytest.mark.parametrize(
    "changed",
    [
        {"a": torch.tensor([1.0, math.nextafter(2.0, 3.0)], dtype=torch.float64)},
        {"a": torch.tensor([1.0, 2.0], dtype=torch.float64)},
        {"a": torch.tensor([[1.0], [2.0]])},
        {"a": torch.tensor([1.0, 2.0000002])},
        {"b": torch.tensor([[3, 5]])},
        {"c": torch.zeros(0)},
    ],
)
def test_a_digest_sees_names_types_shapes_and_every_bit(changed: dict[str, torch.Tensor]) -> None:
    assert digest(state(**changed)) != digest(state())
    assert digest({"x": torch.tensor(-0.0)}) != digest({"x": torch.tensor(0.0)})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.bool, torch.int8, torch.int64, torch.complex64])
def test_a_digest_takes_every_type(dtype: torch.dtype) -> None:
    assert digest({"x": torch.ones(3).to(dtype)}) != digest({"x": torch.zeros(3).to(dtype)})
    assert digest({"x": torch.ones(()).to(dtype)}) != digest({"x": torch.ones(1).to(dtype)})


def test_a_copied_state_is_out_of_reach_of_training() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    kept = copy_state(model)
    before = digest(kept)
    model(torch.randn(4, 2)).sum().backward()
    with torch.no_grad():
        model[0].weight.add_(1)
    assert digest(kept) == before != digest(model.state_dict())
    assert not any(value.requires_grad for value in kept.values())


class MyNorm(nn.Module):
    pass


class Normal(nn.Module):
    pass


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.BatchNorm1d(2), True),
        (nn.LayerNorm(2), True),
        (nn.RMSNorm(2), True),
        (nn.GroupNorm(1, 2), True),
        (MyNorm(), True),
        (Normal(), False),
        (nn.Linear(2, 2), False),
        (nn.Embedding(2, 2), False),
    ],
)
def test_normalisations_are_known_by_type_and_foreign_ones_by_name(module: nn.Module, expected: bool) -> None:
    assert is_normalisation(module) is expected


def test_evaluating_gives_each_module_its_own_mode_back() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(), nn.ReLU()))
    model[1].eval()
    model[2][0].eval()
    modes = [module.training for module in model.modules()]
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        raise ValueError("stop")
    assert [module.training for module in model.modules()] == modes


class Counting(nn.Module):
    """Keeps a running mean the way users write it: by replacing the buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("later", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        self.later = x
        return x - self.mean


def test_buffers_come_back_whether_changed_in_place_or_replaced() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), Counting())
    model(torch.randn(5, 2))
    before, objects = digest(copy_state(model)), [id(buffer) for buffer in model.buffers()]
    with buffers_restored(model):
        model(torch.randn(5, 2))
        assert digest(copy_state(model)) != before
    assert digest(copy_state(model)) == before
    assert [id(buffer) for buffer in model.buffers()] == objects


def test_a_buffer_that_was_not_there_is_gone_again() -> None:
    model = Counting()
    with buffers_restored(model):
        model(torch.randn(5, 2))
    assert model.later is None
    assert set(model.state_dict()) == {"mean"}


def test_the_global_norm_is_that_of_all_entries_together() -> None:
    tensors = [torch.randn(3, 4), torch.randn(7), torch.randn(())]
    joined = np.concatenate([tensor.double().numpy().ravel() for tensor in tensors])
    # float32 sums of twenty squares.
    assert global_norm(tensors).item() == pytest.approx(np.linalg.norm(joined), rel=1e-6)
    assert global_norm(iter([torch.tensor([3.0]), torch.tensor([4.0])])).item() == 5.0
    assert global_norm([]).item() == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_global_norm_hides_no_bad_entry(bad: float) -> None:
    assert not math.isfinite(global_norm([torch.zeros(3), torch.tensor([1.0, bad])]).item())


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]]), torch.tensor([[1, 2], [3, 4]])])
def test_numbers_of_any_kind_become_a_tensor(values: object) -> None:
    assert to_tensor(values, "x").tolist() == [[1, 2], [3, 4]]


def test_an_array_is_shared_and_a_graph_is_left_behind() -> None:
    array = np.zeros(3)
    to_tensor(array, "x")[0] = 7
    assert array[0] == 7
    assert not to_tensor(torch.ones(2, requires_grad=True), "x").requires_grad


@pytest.mark.parametrize("values", [[[1, 2], [3]], "abc", [None], {"a": 1}, object()])
def test_what_is_no_table_of_numbers_is_refused_by_name(values: object) -> None:
    with pytest.raises(DataError, match="column 3 cannot be read as a tensor of numbers"):
        to_tensor(values, "column 3")


def test_what_raises_without_a_word_is_refused_by_the_class_of_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def wordless(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(torch, "as_tensor", wordless)
    with pytest.raises(DataError, match="cannot be read as a tensor") as refused:
        to_tensor([1.0], "x")
    assert refused.value.evidence == "list: ValueError"
