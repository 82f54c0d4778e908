"""The numbers of the lab beside closed forms, and beside torch asked directly."""

from __future__ import annotations

import math

import pytest
import torch
from lab_runs import result_of

from trainwright.lab.curvature import sharpness
from trainwright.lab.descent import descend
from trainwright.lab.framing import linspace, logspace, window
from trainwright.lab.simulations.backpropagation import exact
from trainwright.lab.simulations.contour import best_rates
from trainwright.lab.simulations.half_precision import gradients
from trainwright.lab.simulations.initial_loss import softmax_twice_floor
from trainwright.lab.surfaces import SURFACES


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9, 1.0, 1.1])
def test_each_step_on_a_parabola_multiplies_the_distance_by_one_minus_rate_times_curvature(rate: float) -> None:
    (way,) = descend(lambda w: (w[..., 0] - 3) ** 2, [0.0], "sgd", [rate], 12)
    for step, (weight,) in enumerate(way.points):
        assert weight - 3 == pytest.approx(-3 * (1 - 2 * rate) ** step, abs=1e-9)


@pytest.mark.parametrize("rate", [1e-3, 0.1])
@pytest.mark.parametrize("slope", [1e-3, 1.0, 1e3])
def test_adams_first_step_is_the_rate_whatever_the_slope(slope: float, rate: float) -> None:
    (way,) = descend(lambda w: slope * w[..., 0], [0.0], "adam", [rate], 1)
    assert way.points[1][0] == pytest.approx(-rate, rel=2e-5)  # epsilon is 1e-5 of the smallest slope


def test_many_rates_at_once_give_what_each_gives_alone() -> None:
    surface = SURFACES["rosenbrock"].at(1.0)
    rates = [1e-4, 1e-3, 1e-2, 1.0]
    for name in ("sgd", "momentum", "adam"):
        together = descend(surface, (-1.2, 1.0), name, rates, 50)
        for rate, way in zip(rates, together, strict=True):
            (alone,) = descend(surface, (-1.2, 1.0), name, [rate], 50)
            assert alone.points == way.points
            assert alone.diverged == way.diverged


def test_a_descent_is_what_a_plain_loop_over_torchs_optimizer_gives() -> None:
    bowl = SURFACES["bowl"]
    (way,) = descend(bowl.at(50.0), bowl.start, "momentum", [0.01], 30, options={"momentum": 0.8})
    weight = torch.tensor(bowl.start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.01, momentum=0.8)
    for _ in range(30):
        optimizer.zero_grad()
        (0.5 * (weight[0] ** 2 + 50 * weight[1] ** 2)).backward()
        optimizer.step()
    assert way.points[-1] == pytest.approx(tuple(weight.detach().tolist()), rel=1e-12)


def test_sgd_at_its_best_rate_contracts_by_k_minus_one_over_k_plus_one() -> None:
    for ratio in (10.0, 100.0):
        rate, _, _ = best_rates(ratio)
        bowl = SURFACES["bowl"]
        (way,) = descend(bowl.at(ratio), bowl.start, "sgd", [rate], 20)
        sizes = [math.hypot(*point) for point in way.points]
        assert sizes[-1] / sizes[0] == pytest.approx(((ratio - 1) / (ratio + 1)) ** 20, rel=1e-9)


def test_sgd_on_the_bowl_is_stable_just_below_two_over_the_curvature_and_not_above() -> None:
    bowl = SURFACES["bowl"]
    below, above = descend(bowl.at(100.0), bowl.start, "sgd", [0.0199, 0.0201], 400)
    assert below.losses[-1] < below.losses[0]
    assert above.losses[-1] > above.losses[0]


@pytest.mark.parametrize("name", SURFACES)
def test_the_minima_of_a_surface_are_where_it_says(name: str) -> None:
    surface = SURFACES[name]
    for minimum in surface.minima:
        at = torch.tensor(minimum, dtype=torch.float64, requires_grad=True)
        value = surface.function(at, 10.0)
        (slope,) = torch.autograd.grad(value, at)
        assert value.item() == pytest.approx(surface.least, abs=1e-9)
        assert float(slope.norm()) < 1e-6


def test_the_field_of_a_surface_holds_the_surfaces_own_values() -> None:
    field = result_of("optimizer-race", {"surface": "beale"}).fields[0]
    surface = SURFACES["beale"]
    for row, column in ((0, 0), (30, 12), (60, 60)):
        point = torch.tensor([field.x[column], field.y[row]], dtype=torch.float64)
        assert field.values[row][column] == pytest.approx(surface.function(point, 1.0).item())


def test_the_floor_of_a_softmax_too_many_is_the_one_that_algebra_gives() -> None:
    assert softmax_twice_floor(10) == pytest.approx(1.461, abs=5e-4)
    for classes in (2, 10, 1000):
        assert softmax_twice_floor(classes) == pytest.approx(math.log(1 + (classes - 1) / math.e))


def test_the_two_sides_of_the_v_fall_and_rise_as_they_must() -> None:
    (curve,) = result_of("gradient-check", {"function": "smooth"}).plots[0].series
    errors = dict(zip((round(math.log10(h), 3) for h in curve.x), curve.y, strict=True))
    assert errors[-2.0] / errors[-3.0] == pytest.approx(100, rel=0.05)  # truncation: h squared
    assert 1e2 < errors[-10.0] / errors[-7.0] < 1e4  # rounding: one over h


def test_the_gradients_before_the_cast_are_those_of_a_network_and_no_more() -> None:
    exact = gradients(1e-7, 0)
    assert float(exact.abs().median()) == pytest.approx(1e-7)


def test_the_sharpness_of_a_quadratic_is_its_largest_curvature() -> None:
    model = torch.nn.Linear(3, 2, bias=False)
    x, y = torch.randn(64, 3), torch.arange(64) % 2
    flat = model.weight.detach().clone()

    def loss(weight: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(x @ weight.reshape(2, 3).T, y)

    exact = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat.reshape(-1)))  # type: ignore[arg-type]
    found = sharpness(lambda: loss(model.weight), [model.weight], 0)
    assert found == pytest.approx(float(exact[-1]), rel=0.05)


def test_windows_are_finite_and_hold_what_can_be_shown() -> None:
    assert window([1.0, math.nan, math.inf, 3.0]) == pytest.approx((0.9, 3.1))
    assert window([]) == (0.0, 1.0)
    assert window([0.0, -1.0], log=True) == (0.1, 1.0)
    low, high = window([1e-3, 1e3], log=True)
    assert low < 1e-3
    assert high > 1e3
    assert window([5.0, 5.0])[0] < 5.0 < window([5.0, 5.0])[1]


def test_spaced_numbers_begin_and_end_exactly() -> None:
    assert linspace(0.1, 0.7, 7)[-1] == 0.7
    assert logspace(1e-4, 1.0, 17)[0] == 1e-4
    assert logspace(1e-4, 1.0, 17)[-1] == 1.0
    assert logspace(1e-4, 1.0, 17)[4] == pytest.approx(1e-3)


def test_the_worked_example_takes_a_sum_of_exactly_zero_for_zero_as_a_hand_would() -> None:
    result = result_of("backpropagation", {})
    rows = {row[0]: row for row in result.tables[0].rows}
    assert str(rows["W1"][2]).startswith("[[0.0000, 0.0000], [0.2573")
    assert rows["W1"][1] == "[[0.5000, -0.3000], [0.2000, 0.8000]]"
    assert result["units that are off"] == 1
    for tenths in range(-30, 31):  # every place of the slider at which the first sum is zero
        x = torch.tensor([tenths / 10, (5 * tenths + 10) / 30], dtype=torch.float64)
        assert float(exact(torch.tensor([0.5, -0.3], dtype=torch.float64) @ x + 0.1)) == 0


@pytest.mark.parametrize(
    ("values", "sign"),
    [
        ({"actual": 3.4}, "warning"),
        ({"actual": 2.5}, "healthy"),
        ({"actual": 1.8}, "warning"),
        ({"classes": 2, "actual": 1.0}, "warning"),
        ({"classes": 2, "actual": 1.3}, "error"),
        ({"classes": 1000, "scale": 100.0}, "warning"),
    ],
)
def test_an_initial_loss_that_is_off_is_not_called_healthy(values: dict, sign: str) -> None:
    assert result_of("initial-loss", values).verdict.sign == sign


def test_where_both_matter_alike_the_verdict_is_that_the_grid_comes_nearer() -> None:
    assert "the grid comes" in result_of("grid-vs-random", {"importance": 1.0}).verdict.text


def test_a_ball_that_starts_off_the_map_is_marked_and_its_first_loss_is_in_the_window() -> None:
    result = result_of("loss-landscape", {"surface": "rosenbrock", "rate": 1.5, "steps": 400})
    assert any("starts off the map" in marker.text for marker in result.fields[0].markers)
    axis, (line,) = result.plots[0].y, result.plots[0].series
    assert axis.low is not None
    assert axis.high is not None
    assert axis.low < line.y[0] < axis.high


def test_a_training_that_the_doctor_found_a_note_about_is_not_said_to_have_none() -> None:
    result = result_of("training-lottery", {})
    for name, text in zip(("low", "middle", "high"), (row[2] for row in result.tables[0].rows), strict=True):
        assert (result[f"findings, {name}"] == "none") == ("finds nothing" in str(text))
