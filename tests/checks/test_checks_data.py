"""The checks of data: what they find planted, what they leave alone, and what they say they cannot judge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from cases_data import CASES, CLASSES, FEATURES, blobs, held_out, loader, subject
from checks_asking import QUICK, check, evidence, found
from checks_cases import Case
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import BatchSampler, Sampler, WeightedRandomSampler

from trainwright.stages.subject import subject_of
from trainwright.vitals.data_order import label_order
from trainwright.vitals.data_rows import class_ids

EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@EACH
def test_a_planted_fault_is_found_and_nothing_in_its_fixed_twin(case: Case) -> None:
    assert found(check(case.check, case.sick())) == [case.kind]
    twin = check(case.check, case.fixed())
    assert (found(twin), twin.status) == ([], "passed")


# Inputs


def test_a_missing_value_is_named_by_its_sample_and_its_feature() -> None:
    x, y = torch.randn(300, 2, 3, 4), torch.arange(300) % CLASSES
    x[211, 1, 2, 3] = torch.inf
    said = evidence(check("inputs", subject((x, y), features=24)))
    assert said["first such sample, counted from 0 in order"] == 211
    assert said["its first such feature, counted from 0"] == "[1, 2, 3]"


def test_a_missing_value_in_validation_alone_is_found() -> None:
    x, y = held_out()
    x[3, 1] = torch.nan
    result = check("inputs", subject(blobs(), (x, y)))
    assert found(result) == ["non-finite-input"]
    assert "validation" in result.findings[0].evidence[0].name


class Scaling(nn.Module):
    """Divides bytes by 255 itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1).float() / 255 - 0.5)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_bytes_that_the_model_scales_itself_are_left_alone(dtype: torch.dtype) -> None:
    x = torch.randint(0, 256, (100, 1, 4, 4)).to(dtype)
    result = check("inputs", subject_of(Scaling(), "cross_entropy", (x, torch.arange(100) % CLASSES)))
    assert (result.status, found(result)) == ("passed", [])


def test_bytes_of_type_byte_are_found_where_nothing_scales_them() -> None:
    class Unscaled(Scaling):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.flatten(1).float())

    x = torch.randint(0, 256, (100, 1, 4, 4)).to(torch.uint8)
    result = check("inputs", subject_of(Unscaled(), "cross_entropy", (x, torch.arange(100) % CLASSES)))
    assert found(result) == ["inputs-not-normalised"]


def test_a_normalisation_that_runs_first_makes_up_for_the_scale() -> None:
    x, y = blobs()

    class Late(nn.Module):
        """Registers its normalisation last and runs it first."""

        def __init__(self) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(FEATURES, CLASSES), nn.BatchNorm1d(FEATURES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(self.norm(x))

    assert found(check("inputs", subject_of(Late(), "cross_entropy", (x * 1e4, y)))) == []


@pytest.mark.parametrize("width", [300, 3000])
def test_words_that_are_mostly_absent_are_no_constant_features(width: int) -> None:
    x = nn.functional.one_hot(torch.randint(width, (200,)) % (width // 10), width).float()
    result = check("inputs", subject((x, torch.arange(200) % CLASSES), features=width))
    assert found(result) == []


def test_tokens_have_no_scale() -> None:
    model = nn.Sequential(nn.Embedding(50, 4), nn.Flatten(), nn.Linear(32, CLASSES))
    result = check("inputs", subject_of(model, "cross_entropy", (torch.randint(50, (60, 8)), torch.arange(60) % 4)))
    assert (result.status, "tokens" in result.reason) == ("skipped", True)


# Labels


def test_rare_classes_that_are_made_up_for_are_no_note() -> None:
    x, y = blobs(1000)
    kept = (y != 0) | (torch.arange(1000) % 33 == 0)
    x, y = x[kept], y[kept]
    weights = 1 / y.bincount().double()[y]
    drawn = loader((x, y), sampler=WeightedRandomSampler(weights.tolist(), len(y)))
    assert found(check("labels", subject(drawn))) == []
    loss = nn.CrossEntropyLoss(weight=1 / y.bincount().float())
    assert found(check("labels", subject_of(nn.Linear(FEATURES, CLASSES), loss, (x, y)))) == []
    assert found(check("labels", subject((x, y)))) == ["class-imbalance"]


def test_a_rare_class_that_the_first_output_already_expects_is_no_note() -> None:
    y = (torch.arange(500) % 50 == 0).long()
    model = nn.Linear(FEATURES, 2)
    data = (torch.randn(500, FEATURES), y)
    assert found(check("labels", subject_of(model, "cross_entropy", data))) == ["class-imbalance"]
    with torch.no_grad():
        model.weight.mul_(0.1)
        model.bias.copy_(torch.tensor([0.98, 0.02]).log())
    assert found(check("labels", subject_of(model, "cross_entropy", data))) == []


def test_a_hundred_classes_of_a_few_samples_are_not_called_rare() -> None:
    for seed in range(5):
        y = torch.randint(100, (600,), generator=torch.Generator().manual_seed(seed))
        assert found(check("labels", subject((torch.randn(600, FEATURES), y), classes=100))) == []


def test_a_table_of_categories_may_contradict_itself() -> None:
    x = torch.randint(0, 2, (600, FEATURES)).float()
    y = (torch.rand(600) < 0.3 + 0.4 * x[:, 0]).long()
    result = check("labels", subject((x, y), classes=2))
    assert result.measured["conflicting_share"] > 0.5
    assert found(result) == []


def test_pictures_that_come_again_with_another_label_are_found_by_place() -> None:
    pictures, digits = load_digits(return_X_y=True)
    x, y = torch.from_numpy(pictures).float()[:300] / 16, torch.from_numpy(digits)[:300]
    result = check("labels", subject((torch.cat([x, x[100:140]]), torch.cat([y, (y[100:140] + 1) % 10])), features=64))
    assert found(result) == ["labels-unrelated-to-inputs"]
    assert evidence(result)["first pair, counted in the order read"] == "100 and 300"
    assert evidence(result)["such samples"] == 80


def test_quantities_are_no_classes() -> None:
    model = nn.Linear(FEATURES, 1)
    result = check("labels", subject_of(model, "mse", (torch.randn(50, FEATURES), torch.randn(50, 1))))
    assert result.status == "skipped"


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (torch.tensor([[1], [0]]), [1, 0]),
        (torch.tensor([1.0, 0.0]), [1, 0]),
        (torch.tensor([[0.0, 1.0], [1.0, 0.0]]), [1, 0]),
        (torch.tensor([0.5, 1.0]), None),
        (torch.tensor([[1.0, 1.0], [1.0, 0.0]]), None),
        (torch.tensor([[1, 2], [3, 4]]), None),
    ],
    ids=["column", "yes and no", "one-hot", "quantity", "several labels", "tokens"],
)
def test_classes_are_told_in_every_form_they_come_in(y: torch.Tensor, expected: list[int] | None) -> None:
    ids = class_ids(y)
    assert (None if ids is None else ids.tolist()) == expected


# Order


class Groups(Sampler[list[int]]):
    """Batches of a few classes with some samples each, drawn anew for each batch: healthy for metric learning."""

    def __init__(self, y: torch.Tensor, classes: int, each: int) -> None:
        self.places = [torch.where(y == label)[0] for label in y.unique()]
        self.classes, self.each, self.count = classes, each, len(y) // (classes * each)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self.count):
            chosen = torch.randperm(len(self.places))[: self.classes].tolist()
            yield [
                int(self.places[label][place])
                for label in chosen
                for place in torch.randint(len(self.places[label]), (self.each,))
            ]


def test_batches_of_a_few_classes_on_purpose_are_left_alone() -> None:
    for each in (4, 16):
        x, y = blobs(800)
        grouped = loader((x, y), batch_sampler=Groups(y, 2, each), batch_size=1)
        assert found(check("data-order", subject(grouped))) == []


def test_a_series_in_the_order_of_time_is_left_alone() -> None:
    x = torch.randn(400, FEATURES).cumsum(0) / 20
    ordered = loader((x, x[:, :1]), shuffle=False)
    result = check("data-order", subject_of(nn.Linear(FEATURES, 1), "mse", ordered))
    assert (result.status, found(result)) == ("passed", [])
    assert result.measured["same_order_in_two_epochs"]


def test_an_imbalanced_but_shuffled_pass_is_left_alone() -> None:
    for seed in range(5):
        x, y = (
            torch.randn(800, FEATURES),
            (torch.rand(800, generator=torch.Generator().manual_seed(seed)) < 0.03).long(),
        )
        assert found(check("data-order", subject(loader((x, y), shuffle=True), classes=2))) == []


def test_an_order_that_nobody_shuffled_is_a_note_and_a_plain_list_says_nothing() -> None:
    x, y = blobs()
    result = check("data-order", subject(loader((x, y))))
    assert [(finding.kind, finding.severity) for finding in result.findings] == [("data-not-shuffled", "note")]
    batches = [(x[start : start + 32], y[start : start + 32]) for start in range(0, 400, 32)]
    assert found(check("data-order", subject(batches))) == []
    own = loader((x, y), batch_sampler=BatchSampler(range(400), 32, False), batch_size=1)
    assert len(check("data-order", subject(own)).findings) <= 1


def test_within_a_single_batch_the_order_is_not_judged() -> None:
    x, y = blobs(48)
    order = y.argsort()
    assert check("data-order", subject(loader((x[order], y[order]), batch_size=48))).status == "skipped"


def test_runs_are_as_many_as_shuffling_gives_with_the_deviation_it_has() -> None:
    labels = np.array([0] * 50 + [1] * 30 + [2] * 20)
    generator = np.random.default_rng(0)
    orders = [label_order(generator.permutation(labels), long=10) for _ in range(2000)]
    runs = np.array([order.runs for order in orders])
    assert runs.mean() == pytest.approx(orders[0].expected, abs=4 * runs.std() / 2000**0.5)
    deviations = np.array([order.deviations for order in orders])
    assert deviations.std() == pytest.approx(1, abs=0.06)
    assert label_order(labels, long=25).long_share == pytest.approx(0.8)


# Baselines


def test_the_baselines_are_measured_on_validation_or_on_a_part_of_training() -> None:
    alone, beside = check("baselines", subject(blobs())), check("baselines", subject(blobs(), held_out()))
    assert (alone.status, beside.status) == ("passed", "passed")
    assert (alone.measured["own_validation"], beside.measured["own_validation"]) == (False, True)
    assert (alone.measured["held_out"], beside.measured["held_out"]) == (100, 200)
    assert beside.measured["linear_metric"] > beside.measured["constant_metric"] + 0.3
    assert beside.measured["linear_loss"] < beside.measured["constant_loss"]


# Whatever comes


@pytest.mark.parametrize("name", [*QUICK, "baselines", "worker-randomness"])
def test_inputs_by_name_and_sentences_of_different_lengths_are_skipped_with_a_reason(name: str) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, CLASSES)

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.stack([left.mean(1), right.mean(1)], 1))

    several = {"left": torch.randn(40, 3), "right": torch.randn(40, 5)}
    result = check(name, subject_of(Two(), "cross_entropy", (several, torch.arange(40) % CLASSES)))
    assert result.status == "skipped" or name == "inputs"
    assert "could not run" not in result.reason
    ragged = [(torch.randint(9, (8, length)), torch.arange(8) % CLASSES) for length in (4, 6, 5, 7, 8, 3, 9, 2)]
    model = nn.EmbeddingBag(9, CLASSES)
    result = check(name, subject_of(model, "cross_entropy", ragged, validation=ragged[::-1]))
    assert result.status == "skipped" or name in ("labels", "data-order", "validation-reads", "validation-overlap")
    assert "could not run" not in result.reason


def test_of_a_long_series_the_beginnings_alone_are_not_compared() -> None:
    walk = torch.randn(40_000, FEATURES).cumsum(0)
    parts = [loader((part, part[:, :1]), batch_size=512) for part in (walk[:20_000], walk[20_000:])]
    result = check("validation-preprocessing", subject_of(nn.Linear(FEATURES, 1), "mse", parts[0], validation=parts[1]))
    assert result.status == "skipped"


def test_the_beginning_of_a_sorted_pass_does_not_make_its_last_class_rare() -> None:
    x, y = torch.randn(20_000, FEATURES), (torch.arange(20_000) >= 8100).long()
    for data in ((x, y), loader((x, y), batch_size=256)):
        result = check("labels", subject(data, classes=2))
        assert (result.status, found(result)) == ("passed", [])
