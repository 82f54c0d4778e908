from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from trainwright.data.arrays import from_arrays
from trainwright.errors import DataError, UsageError


def test_whole_targets_are_classes_and_others_quantities() -> None:
    x = np.zeros((4, 3))
    classes = from_arrays((x, np.array([0, 2, 1, 0])))
    assert (classes.shape.task, classes.shape.outputs, classes.shape.input_shape) == ("classification", 3, (3,))
    assert classes.classes == ("0", "1", "2")
    assert (classes.train.x.dtype, classes.train.y.dtype) == (torch.float32, torch.int64)
    values = from_arrays((x, [0.0, 1.0, 2.0, 3.0]))
    assert (values.shape.task, values.shape.outputs, values.train.y.shape) == ("regression", 1, (4, 1))
    assert from_arrays((x, torch.zeros(4, 5))).shape.outputs == 5
    assert from_arrays((x, np.array([True, False, True, True]))).shape.outputs == 2


def test_arrays_are_used_as_given() -> None:
    x = torch.rand(5, 8, 8) * 255
    data = from_arrays((x, torch.arange(5)), validation=(x[:2], torch.arange(2)))
    assert torch.equal(data.train.x, x)
    assert data.shape.input_shape == (8, 8)
    assert data.validation is not None
    assert data.test is None
    assert (data.target_mean, data.target_std) == ((), ())
    values = from_arrays((x, torch.rand(5, 2)))
    assert (values.target_mean, values.target_std) == ((0.0, 0.0), (1.0, 1.0))


def test_the_task_can_be_given() -> None:
    x = torch.zeros(3, 1)
    assert from_arrays((x, [0.0, 1.0, 1.0]), task="classification").train.y.tolist() == [0, 1, 1]
    assert from_arrays((x, [0, 1, 1]), task="regression").train.y.dtype == torch.float32
    with pytest.raises(DataError, match=r"1 of 3 are not whole, the first at index 2: 1\.5"):
        from_arrays((x, [0.0, 1.0, 1.5]), task="classification")
    with pytest.raises(DataError, match="2 of 3 are not whole"):
        from_arrays((x, [0.0, float("nan"), float("inf")]), task="classification")
    with pytest.raises(UsageError, match="did you mean 'regression'"):
        from_arrays((x, [0, 1, 1]), task="regresion")


def test_faulty_values_are_left_to_the_doctor() -> None:
    x = torch.tensor([[float("nan")], [float("inf")]])
    assert from_arrays((x, [-5, -1])).train.y.tolist() == [-5, -1]
    huge = from_arrays((x, [0, 10**9]))
    assert huge.shape.outputs == 10**9 + 1
    assert huge.classes == ()


def test_a_column_of_class_ids_is_flattened() -> None:
    assert from_arrays((torch.zeros(3, 1), torch.tensor([[0], [1], [2]]))).train.y.shape == (3,)
    with pytest.raises(DataError, match="argmax"):
        from_arrays((torch.zeros(3, 1), torch.eye(3, dtype=torch.int64)))


def test_whole_columns_of_zero_and_one_are_labels() -> None:
    x, labels = torch.zeros(3, 1), torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0]])
    data = from_arrays((x, labels))
    assert (data.shape.task, data.shape.outputs, data.classes) == ("multi-label", 3, ("0", "1", "2"))
    assert torch.equal(data.train.y, labels.float())
    assert from_arrays((x, labels.bool())).shape.task == "multi-label"
    assert from_arrays((x, labels.float())).shape.task == "regression"
    assert from_arrays((x, labels.float()), task="multi-label").train.y.dtype == torch.float32
    assert from_arrays((x, [1, 0, 1]), task="multi-label").train.y.shape == (3, 1)
    assert from_arrays((x, labels * 7), task="regression").shape.outputs == 3


def test_one_hot_rows_may_be_classes_or_labels_so_the_user_is_asked() -> None:
    x, one_hot = torch.zeros(3, 1), torch.eye(3, dtype=torch.int64)
    with pytest.raises(DataError, match=r"one 1 in every row(.|\n)*argmax(.|\n)*multi-label"):
        from_arrays((x, one_hot))
    with pytest.raises(DataError, match="values up to 7"):
        from_arrays((x, one_hot * 7))
    assert from_arrays((x, one_hot), task="multi-label").shape.task == "multi-label"


def test_labels_other_than_zero_and_one_are_refused() -> None:
    x = torch.zeros(2, 1)
    with pytest.raises(DataError, match=r"at \[1, 0\] 0\.5"):
        from_arrays((x, torch.tensor([[0.0, 1.0], [0.5, 1.0]])), task="multi-label")
    with pytest.raises(DataError, match="y of test does not hold 0 or 1"):
        from_arrays((x, torch.tensor([[0, 0], [1, 1]])), test=(x, torch.tensor([[0, 0], [1, 2]])))


def test_read_only_reversed_and_framed_arrays_are_taken() -> None:
    frozen = np.eye(3)
    frozen.flags.writeable = False
    assert torch.equal(from_arrays((frozen, [0, 1, 2])).train.x, torch.eye(3))
    assert torch.equal(from_arrays((np.eye(3)[::-1], [0, 1, 2])).train.x, torch.eye(3).flip(0))
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert from_arrays((frame, pl.Series([0, 1]))).train.x.tolist() == [[1, 3], [2, 4]]


def test_the_fingerprint_follows_the_content() -> None:
    x = torch.zeros(3, 1)
    same = {from_arrays((x.clone(), [0, 1, 1])).fingerprint for _ in range(2)}
    assert len(same) == 1
    assert from_arrays((x, [0, 1, 0])).fingerprint not in same


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (None, "no pair"),
        (torch.zeros(3, 2), "no pair"),
        (([[1.0]], [1], [2]), "tuple of 3"),
        ((torch.zeros(3, 1), torch.zeros(4)), "differ in length"),
        ((torch.zeros(0, 1), torch.zeros(0)), "empty"),
        ((torch.zeros(3, 0), torch.zeros(3)), "empty"),
        ((torch.zeros(3), torch.zeros(3)), "no axis of features"),
        ((np.array([["a"], ["b"]]), [0, 1]), "tensor of numbers"),
        (([[1.0], [1.0, 2.0]], [0, 1]), "tensor of numbers"),
        ((torch.zeros(2, 1, dtype=torch.complex64), [0, 1]), "complex"),
    ],
)
def test_what_is_no_data_is_refused(train: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_arrays(train)


def test_splits_of_different_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="x of test has other samples"):
        from_arrays((torch.zeros(3, 2), [0, 1, 1]), test=(torch.zeros(3, 4), [0, 1, 1]))
