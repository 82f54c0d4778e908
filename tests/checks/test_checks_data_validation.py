"""The checks of validation data: overlap with training, preparation, and what changes from read to read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cases_data import CLASSES, FEATURES, Drawn, blobs, held_out, loader, subject
from checks_asking import QUICK, check, evidence, found
from sklearn.datasets import load_digits, load_iris
from torch import nn
from torch.utils.data import Dataset, WeightedRandomSampler

from trainwright.stages.subject import subject_of
from trainwright.vitals.data_rows import row_hashes, tells_apart

# Overlap


def test_the_severity_of_an_overlap_follows_its_share() -> None:
    x, y = torch.randn(4000, FEATURES), torch.arange(4000) % CLASSES
    held, truth = torch.randn(1000, FEATURES), torch.arange(1000) % CLASSES
    for copies, expected in ((0, []), (1, []), (5, ["warning"]), (50, ["error"])):
        mixed = torch.cat([x[100 : 100 + copies], held[copies:]])
        result = check("validation-overlap", subject((x, y), (mixed, truth)))
        assert [finding.severity for finding in result.findings] == expected
    assert evidence(result)["first such pair, counted in the order read"] == "validation 0, training 100"


def test_equal_rows_of_few_categories_are_no_overlap() -> None:
    for seed in range(5):
        own = torch.Generator().manual_seed(seed)
        x = (torch.rand(900, 8, generator=own) < 0.3).float()
        y = torch.arange(900) % CLASSES
        result = check("validation-overlap", subject((x[:700], y[:700]), (x[700:], y[700:]), features=8))
        assert found(result) == []


def test_the_doubles_that_real_measurements_hold_are_no_overlap() -> None:
    x, y = (torch.from_numpy(part) for part in load_iris(return_X_y=True))
    for seed in range(5):
        order = torch.randperm(150, generator=torch.Generator().manual_seed(seed))
        parts = [(x[some].float(), y[some]) for some in (order[:110], order[110:])]
        assert found(check("validation-overlap", subject(*parts, features=4))) == []


def test_copies_made_before_the_division_are_an_overlap_though_training_holds_copies_too() -> None:
    x, y = blobs(300)
    x, y = x.repeat(3, 1), y.repeat(3)
    order = torch.randperm(900)
    parts = [(x[some], y[some]) for some in (order[:700], order[700:])]
    result = check("validation-overlap", subject(*parts))
    assert [finding.severity for finding in result.findings] == ["error"]
    assert result.measured["duplicates_inside_training"] > 0.5


def test_augmented_training_inputs_are_not_compared() -> None:
    result = check("validation-overlap", subject(loader(Drawn("torch", blobs()), shuffle=True), held_out()))
    assert (result.status, "augmented" in result.reason) == ("skipped", True)


def test_equal_rows_have_equal_hashes_in_every_precision_and_others_have_not() -> None:
    x = torch.randn(500, 7)
    x[3, 2], x[4] = 0.0, x[3]
    x[4, 2] = -0.0
    hashes = row_hashes(x)
    assert hashes[3] == hashes[4]
    assert len(np.unique(hashes)) == 499
    assert np.array_equal(row_hashes(x.double()), hashes)
    signs = torch.tensor([[a, b, c, d] for a in (-1.0, 1) for b in (-1.0, 1) for c in (-1.0, 1) for d in (-1.0, 1)])
    assert len(np.unique(row_hashes(signs))) == 16
    counted = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    assert len(np.unique(row_hashes(counted))) == 1600
    assert len(np.unique(row_hashes(counted.float()))) == 1600
    wide = torch.zeros(3, 3_000_000, dtype=torch.uint8)
    wide[2, -1] = 1
    assert len(np.unique(row_hashes(wide))) == 2


def test_measurements_tell_rows_apart_and_categories_do_not() -> None:
    measured = torch.randn(200, 2)
    assert tells_apart(measured, row_hashes(measured))
    pictures = torch.from_numpy(load_digits(return_X_y=True)[0]).float()
    assert tells_apart(pictures, row_hashes(pictures))
    said_often = (torch.randn(400, 2) @ torch.randn(2, 80) + 0.05 * torch.randn(400, 80) > 0).float()
    assert not tells_apart(said_often, row_hashes(said_often))
    categories = torch.randint(3, (200, 4)).float()
    assert not tells_apart(categories, row_hashes(categories))


# Preprocessing


def test_a_drifting_series_divided_by_time_is_left_alone() -> None:
    for seed in range(8):
        own = torch.Generator().manual_seed(seed)
        walk = torch.randn(1000, FEATURES, generator=own).cumsum(0)
        if seed % 2:
            walk = torch.randn(1000, FEATURES, generator=own) + torch.linspace(0, 6, 1000)[:, None]
        walk = (walk - walk[:800].mean(0)) / walk[:800].std(0)
        parts = [(part, part[:, :1]) for part in (walk[:800], walk[800:])]
        drifted = subject_of(nn.Linear(FEATURES, 1), "mse", parts[0], validation=parts[1])
        assert found(check("validation-preprocessing", drifted)) == []


def test_heavy_tails_and_small_validation_are_left_alone() -> None:
    for seed in range(8):
        x = torch.from_numpy(np.random.default_rng(seed).standard_t(1.5, size=(440, 3))).float()
        y = torch.arange(440) % CLASSES
        tails = subject((x[:400], y[:400]), (x[400:], y[400:]), features=3)
        assert found(check("validation-preprocessing", tails)) == []


def test_pictures_from_zero_to_one_beside_those_from_minus_one_are_found() -> None:
    x, y = (torch.from_numpy(part) for part in load_digits(return_X_y=True))
    x = x.float().reshape(-1, 1, 8, 8) / 16
    healthy = subject((x[:1000], y[:1000]), (x[1000:], y[1000:]), features=64, classes=10)
    assert found(check("validation-preprocessing", healthy)) == []
    sick = subject((2 * x[:1000] - 1, y[:1000]), (x[1000:], y[1000:]), features=64, classes=10)
    assert found(check("validation-preprocessing", sick)) == ["validation-preprocessed-differently"]


def test_truth_tables_have_a_mean_of_zero_by_nature() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 6)
    y = torch.arange(64) % CLASSES
    result = check("validation-preprocessing", subject((corners, y), (corners.flip(0), y)))
    assert found(result) == []


# Reads and workers


def test_augmented_training_beside_plain_validation_is_left_alone() -> None:
    both = subject(loader(Drawn("torch", blobs()), shuffle=True), loader(Drawn("none", held_out()), shuffle=True))
    assert [found(check(name, both)) for name in QUICK] == [[]] * len(QUICK)


def test_a_random_part_of_validation_at_every_pass_is_not_judged() -> None:
    sampler = WeightedRandomSampler([1.0] * 200, 64)
    result = check("validation-reads", subject(blobs(), loader(held_out(), sampler=sampler)))
    assert result.status == "skipped"


@pytest.mark.parametrize(("workers", "words"), [(0, "no worker"), (1, "one worker")])
def test_without_two_workers_there_is_nothing_to_compare(workers: int, words: str) -> None:
    result = check("worker-randomness", subject(loader(Drawn("none"), num_workers=workers)))
    assert (result.status, words in result.reason) == ("skipped", True)


@pytest.mark.parametrize("source", ["numpy", "torch", "none"])
def test_workers_that_torch_seeds_draw_for_themselves(source: str) -> None:
    result = check("worker-randomness", subject(loader(Drawn(source), num_workers=2)))
    assert (result.status, found(result)) == ("passed", [])


class Breaking(Dataset[Any]):
    """Cannot be read in a worker process."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, place: int) -> Any:
        if torch.utils.data.get_worker_info() is not None:
            raise OSError("the file is open elsewhere")
        return torch.randn(FEATURES), place % CLASSES


def test_a_data_set_that_fails_in_a_worker_is_not_judged() -> None:
    x, y = blobs(64)
    broken = subject((x, y))
    object.__setattr__(broken, "loader", loader(Breaking(), num_workers=2))
    result = check("worker-randomness", broken)
    assert (result.status, "OSError" in result.reason) == ("skipped", True)


def test_validation_pictures_sorted_by_class_of_which_only_the_first_are_read_are_left_alone() -> None:
    def pictures(count: int, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = order % CLASSES
        return torch.randn(count, 1, 2, 2) + y[:, None, None, None].float(), y

    many = 20_000
    train = pictures(600, torch.arange(600))
    x, y = pictures(many, torch.arange(many) * CLASSES // many)
    result = check("validation-preprocessing", subject(train, loader((x, y), batch_size=256), features=4))
    assert (result.status, found(result)) == ("passed", [])
    scaled = check("validation-preprocessing", subject(train, loader((255 * x, y), batch_size=256), features=4))
    assert found(scaled) == ["validation-preprocessed-differently"]
