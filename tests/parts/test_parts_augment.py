from __future__ import annotations

import itertools
import math
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import DataError, UsageError
from trainwright.parts import losses
from trainwright.parts.augment import CATALOGUE, NEEDS_KORNIA, SOFT_LOSSES, Augment, problem
from trainwright.parts.catalogue import option_problem
from trainwright.records import DataShape

STRONG = {
    "flip": 0.5,
    "rotate": 20.0,
    "scale": 0.3,
    "shift": 2,
    "brightness": 0.5,
    "contrast": 0.5,
    "noise": 0.3,
    "erase": 0.7,
    "mixup": 0.5,
    "cutmix": 1.0,
}
OWN = [name for name, spec in CATALOGUE.items() if not spec.mixes]
MIXES = [name for name, spec in CATALOGUE.items() if spec.mixes]
IMAGES = DataShape(input_shape=(1, 28, 28), outputs=10, task="classification")
TABLE = DataShape(input_shape=(13,), outputs=3, task="classification")


def build(*names: str, seed: int = 0, **strengths: float) -> Augment:
    strengths = {**{name: STRONG[name] for name in names}, **strengths}
    return Augment(strengths, seed=seed, task="classification", outputs=10, fill=-0.8)


def batch(count: int = 24, channels: int = 2, side: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))
    return x, torch.arange(count) % 10


def test_every_change_has_a_test_strength() -> None:
    assert set(STRONG) == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_describes_itself_and_is_off_by_default(name: str) -> None:
    spec = CATALOGUE[name]
    assert spec.name == name
    assert spec.summary
    assert spec.formula
    assert spec.reference
    assert spec.strength.default == 0
    assert spec.strength.source
    assert "0 is off" in spec.strength.meaning
    assert option_problem(name, spec.strength.default, spec.strength) is None
    assert option_problem(name, STRONG[name], spec.strength) is None
    assert option_problem(name, -0.1, spec.strength) is not None


@pytest.mark.parametrize("name", CATALOGUE)
def test_strength_zero_is_the_identity(name: str) -> None:
    x, y = batch()
    for augment in (build(), build(**{name: 0})):
        result, targets = augment(x, y, epoch=0, indices=torch.arange(24))
        assert result is x
        assert targets is y
        assert not augment.mixes


@pytest.mark.parametrize("off", CATALOGUE)
def test_a_change_at_strength_zero_takes_no_part(off: str) -> None:
    x, y = batch()
    others = [name for name in CATALOGUE if name != off]
    left = build(*others)(x, y, epoch=0, indices=torch.arange(24))
    right = build(*others, **{off: 0})(x, y, epoch=0, indices=torch.arange(24))
    assert all(torch.equal(one, other) for one, other in zip(left, right, strict=True))


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_change_changes_something_and_leaves_what_it_was_given(name: str) -> None:
    x, y = batch()
    kept_x, kept_y = x.clone(), y.clone()
    result, _ = build(name)(x, y, epoch=0, indices=torch.arange(24))
    assert not torch.equal(result, x)
    assert torch.equal(x, kept_x)
    assert torch.equal(y, kept_y)
    assert result.shape == x.shape


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_kind_of_number_is_kept(name: str, dtype: torch.dtype) -> None:
    x, y = batch()
    result, targets = build(name)(x.to(dtype), y, epoch=0, indices=torch.arange(24))
    assert result.dtype == dtype
    assert targets.dtype == (dtype if name in MIXES else torch.int64)


@settings(deadline=None)  # the first call imports kornia
@given(order=st.permutations(range(12)), cuts=st.lists(st.integers(0, 12), max_size=3), epoch=st.integers(0, 50))
def test_a_sample_is_changed_alike_in_whichever_batch_it_comes(order: list[int], cuts: list[int], epoch: int) -> None:
    x, y = batch(12)
    augment = build(*OWN)
    whole, _ = augment(x, y, epoch=epoch, indices=torch.arange(12))
    shuffled = torch.tensor(order)
    parts = [shuffled[start:stop] for start, stop in itertools.pairwise([0, *sorted(cuts), 12]) if stop > start]
    parted = torch.cat([augment(x[part], y[part], epoch=epoch, indices=part)[0] for part in parts])
    torch.testing.assert_close(parted, whole[shuffled], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CATALOGUE)
def test_epochs_seeds_and_samples_differ_and_a_repetition_does_not(name: str) -> None:
    x, y = batch()
    indices = torch.arange(24)
    first = build(name)(x, y, epoch=0, indices=indices)
    again = build(name)(x, y, epoch=0, indices=indices)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(build(name)(x, y, epoch=1, indices=indices)[0], first[0])
    assert not torch.equal(build(name, seed=1)(x, y, epoch=0, indices=indices)[0], first[0])
    assert not torch.equal(build(name)(x, y, epoch=0, indices=indices + 24)[0], first[0])


def test_the_global_generators_are_left_alone() -> None:
    x, y = batch()
    before = torch.get_rng_state()
    build(*CATALOGUE)(x, y, epoch=0, indices=torch.arange(24))
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_normal_with_the_strength_as_its_deviation() -> None:
    x = torch.zeros(200, 100)
    augment = Augment({"noise": 0.3}, seed=0, task="regression", outputs=1)
    result, _ = augment(x, torch.zeros(200, 1), epoch=0, indices=torch.arange(200))
    ordered = (0.5 * (1 + torch.erf(result.double() / 0.3 / math.sqrt(2)))).flatten().sort().values
    grid = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    # The Kolmogorov-Smirnov distance from the normal distribution: above 1.95 / sqrt(n) with probability 0.001.
    assert float((ordered - grid).abs().max()) < 1.95 / math.sqrt(20_000)


def test_erasing_comes_after_the_noise_and_mixing_comes_last() -> None:
    x, y = batch()
    indices = torch.arange(24)
    erased, _ = build("noise", "erase")(x, y, epoch=0, indices=indices)
    assert int((erased == torch.tensor(-0.8)).sum()) > 100
    unmixed, _ = build(*OWN)(x, y, epoch=0, indices=indices)
    result, soft = build(*OWN, "mixup")(x, torch.arange(24) % 10, epoch=0, indices=indices)
    mixed, alike = build("mixup")(unmixed, y, epoch=0, indices=indices)
    assert torch.equal(result, mixed)
    assert torch.equal(soft, alike)


def test_colour_comes_after_geometry() -> None:
    x, y = batch()
    indices = torch.arange(24)
    geometry, colour = ["flip", "rotate", "scale", "shift"], ["brightness", "contrast"]
    moved, _ = build(*geometry)(x, y, epoch=0, indices=indices)
    expected, _ = build(*colour)(moved, y, epoch=0, indices=indices)
    assert torch.equal(build(*geometry, *colour)(x, y, epoch=0, indices=indices)[0], expected)


def test_black_may_differ_between_channels() -> None:
    x, y = torch.ones(30, 3, 8, 8), torch.zeros(30, dtype=torch.long)
    augment = Augment({"erase": 1.0}, seed=0, task="classification", outputs=10, fill=[-1.0, -2.0, -3.0])
    result, _ = augment(x, y, epoch=0, indices=torch.arange(30))
    for channel in range(3):
        assert set(result[:, channel].unique().tolist()) == {1.0, -1.0 - channel}


def test_a_black_of_other_channels_is_refused() -> None:
    x, y = batch(4, channels=2)
    augment = Augment({"erase": 1.0}, seed=0, task="classification", outputs=10, fill=[-1.0, -2.0, -3.0])
    with pytest.raises(DataError, match="one for each channel"):
        augment(x, y, epoch=0, indices=torch.arange(4))


def test_samples_that_are_no_floats_are_refused() -> None:
    with pytest.raises(DataError, match="samples of floats"):
        build("noise")(torch.zeros(3, 5, dtype=torch.long), torch.zeros(3), epoch=0, indices=torch.arange(3))


@pytest.mark.parametrize("name", [name for name, spec in CATALOGUE.items() if spec.images])
def test_what_is_for_images_refuses_rows_of_a_table(name: str) -> None:
    with pytest.raises(DataError, match="for images"):
        build(name)(torch.zeros(3, 5), torch.zeros(3).long(), epoch=0, indices=torch.arange(3))
    assert str(problem({name: STRONG[name]}, TABLE, "cross_entropy")).startswith(f"augment.{name} is for images")


def test_an_unknown_name_and_a_strength_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'mixup'"):
        build(mixpu=0.2)
    with pytest.raises(UsageError, match="flip must be at least 0 and at most 1"):
        build(flip=1.5)
    with pytest.raises(UsageError, match="whole number"):
        build(shift=1.5)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_missing_kornia_is_said_before_training_by_those_alone_that_need_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == "kornia"]:
        monkeypatch.delitem(sys.modules, module)
    absent: Any = None
    monkeypatch.setitem(sys.modules, "kornia", absent)  # an import of it raises ImportError
    build(**{name: 0})
    if name in NEEDS_KORNIA:
        with pytest.raises(UsageError, match=r"pip install .trainwright\[images\]"):
            build(name)
        return
    x, y = batch()
    build(name)(x, y, epoch=0, indices=torch.arange(24))


def test_changes_that_fit_have_no_problem() -> None:
    assert problem({}, TABLE, "cross_entropy") is None
    assert problem(dict.fromkeys(CATALOGUE, 0), TABLE, "cross_entropy") is None
    assert problem(STRONG, IMAGES, "cross_entropy") is None
    assert problem({"noise": 0.1, "mixup": 0.2}, TABLE, "cross_entropy") is None
    values = DataShape(input_shape=(13,), outputs=1, task="regression")
    assert problem({"mixup": 0.2}, values, "mse") is None
    assert problem({"mixup": 0.2}, TABLE, "") is None  # a loss of the user's own


def test_token_ids_are_never_changed() -> None:
    tokens = DataShape(input_shape=(64,), outputs=65, task="classification", vocabulary=65)
    for name in CATALOGUE:
        assert "token ids" in str(problem({name: STRONG[name]}, tokens, "cross_entropy"))
    assert problem(dict.fromkeys(CATALOGUE, 0), tokens, "cross_entropy") is None


def test_a_move_out_of_sight_is_refused() -> None:
    small = DataShape(input_shape=(1, 8, 12), outputs=10, task="classification")
    assert problem({"shift": 7}, small, "cross_entropy") is None
    assert "out of sight" in str(problem({"shift": 8}, small, "cross_entropy"))


def test_values_are_not_counted_by_area() -> None:
    values = DataShape(input_shape=(1, 28, 28), outputs=1, task="regression")
    assert "use augment.mixup" in str(problem({"cutmix": 1.0}, values, "mse"))
    assert problem({"mixup": 1.0}, values, "mse") is None


@pytest.mark.parametrize("name", losses.CATALOGUE)
@pytest.mark.parametrize("mix", MIXES)
def test_mixing_is_refused_with_a_loss_for_classes_that_takes_no_soft_targets(name: str, mix: str) -> None:
    found = problem({mix: 0.5}, IMAGES, name)
    if name in SOFT_LOSSES:
        assert found is None
    else:
        assert found == f"augment.{mix} makes targets soft, which loss '{name}' does not take; use 'cross_entropy'"
    assert problem({"flip": 0.5}, IMAGES, name) is None


def test_the_loss_that_is_proposed_fits_the_task() -> None:
    binary = DataShape(input_shape=(1, 28, 28), outputs=1, task="classification")
    assert "use 'bce_with_logits'" in str(problem({"mixup": 0.2}, binary, "mse"))
