from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data import scaling as module
from trainwright.data.scaling import channels_first, fit_features, fit_pixels

# Numbers whose squares would be zero have no deviation in float64.
finite = st.floats(-1e30, 1e30).map(lambda value: value if abs(value) > 1e-100 else 0.0)


@given(
    values=st.lists(st.tuples(finite, finite), min_size=2, max_size=20),
    offset=st.sampled_from([0.0, 1.0, -1e6]),
    kept=st.integers(2, 20),
)
@settings(deadline=None)
def test_features_have_mean_zero_and_deviation_one_over_the_training_rows(
    values: list[tuple[float, float]], offset: float, kept: int
) -> None:
    x = np.array(values) + offset
    rows = np.arange(min(kept, len(x)))
    if (x[rows] == x[rows][0]).all():
        return
    plan, _ = fit_features(x, rows, axis=0)
    scaled = plan.apply(x[rows]).double().numpy()
    for column, raw in zip(scaled.T, x[rows].T, strict=True):
        if (raw == raw[0]).all():
            assert (column == 0).all()
        elif np.ptp(raw) > 1e-9 * np.abs(raw).max():  # else float64 itself has no number for the mean
            assert abs(column.mean()) < 1e-5
            assert abs(column.std() - 1) < 1e-4


@pytest.mark.parametrize("chunk", [1, 100, 2**26])
@pytest.mark.parametrize(("shape", "axis"), [((7, 3), 0), ((7, 4, 3), 1), ((7, 3, 4, 5), 0)])
def test_statistics_do_not_depend_on_how_many_samples_are_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], axis: int, chunk: int
) -> None:
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk)
    x = np.random.default_rng(0).normal(5, 3, shape)
    rows = np.array([0, 2, 3, 6])
    plan, notes = fit_features(x, rows, axis=axis)
    others = tuple(place for place in range(x.ndim) if place != axis + 1)
    np.testing.assert_allclose(plan.mean, x[rows].mean(others), rtol=1e-12)
    np.testing.assert_allclose(plan.std, x[rows].std(others), rtol=1e-12)
    assert notes == []
    pixels = (x.reshape(7, -1, 1, 1) * 20).clip(0, 255).astype(np.uint8)
    plan, _ = fit_pixels(pixels, rows, scale=255, image_size=0)
    np.testing.assert_allclose(plan.mean, pixels[rows].mean((0, 2, 3)) / 255, rtol=1e-12)
    np.testing.assert_allclose(plan.std, pixels[rows].std((0, 2, 3)) / 255, rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 5, 6), (9, 1, 5, 6)),
        ((9, 3, 5, 6), (9, 3, 5, 6)),
        ((9, 5, 6, 3), (9, 3, 5, 6)),
        ((9, 3, 5, 3), (9, 3, 5, 3)),
        ((9, 7, 5, 6), (9, 7, 5, 6)),
        ((9, 5), (9, 5)),
    ],
)
def test_channels_are_found_and_put_first(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert channels_first(np.zeros(shape)).shape == expected
