"""What every simulation promises, whatever it shows."""

from __future__ import annotations

import contextlib
import io
import json
import math

import pytest
import torch
from lab_runs import extremes, plain, quick, result_of, thorough

from trainwright.lab.registry import CATALOGUE
from trainwright.lab.schema import Axis, Result
from trainwright.lab.values import from_state, resolve, to_state
from trainwright.randomness import isolated

EVERY = list(CATALOGUE)
TABLE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}


def all_of(names: list[str], slow: list[str]) -> list:
    return [*names, *(pytest.param(name, marks=pytest.mark.slow) for name in slow)]


def finite_window(axis: Axis) -> bool:
    ends = [end for end in (axis.low, axis.high) if end is not None]
    rising = axis.low is None or axis.high is None or axis.low < axis.high
    return all(map(math.isfinite, ends)) and rising and not (axis.log and axis.low is not None and axis.low <= 0)


def check(result: Result) -> None:
    """Hold a result to what the page relies on."""
    assert result.verdict.sign in ("healthy", "note", "warning", "error")
    assert 10 <= len(result.verdict.text) <= 600
    assert result.plots or result.fields or result.tables or result.steps
    for plot in result.plots:
        assert finite_window(plot.x), plot.title
        assert finite_window(plot.y), plot.title
        assert plot.y.low is not None
        assert plot.y.high is not None
        names = [series.name for series in plot.series]
        assert len(set(names)) == len(names), names
        for series in plot.series:
            assert len(series.x) == len(series.y), series.name
            assert len(series.low) in (0, len(series.x))
            assert all(map(math.isfinite, series.x)), series.name
    for field in result.fields:
        assert len(field.values) == len(field.y)
        assert all(len(row) == len(field.x) for row in field.values)
        assert finite_window(field.x_axis)
        assert finite_window(field.y_axis)
        for path in field.paths:
            assert len(path.x) == len(path.y) > 0
    for table in result.tables:
        assert all(len(row) == len(table.columns) for row in table.rows), table.title
        assert len(table.signs) in (0, len(table.rows))
    for step in result.steps:
        for link in step.links:
            resolve(CATALOGUE[link.simulation], link.values)
    names = [item.name for item in result.evidence]
    assert len(set(names)) == len(names), names
    assert result.frames >= 0
    assert result.python.strip()
    json.loads(plain(result))


@pytest.mark.parametrize("name", EVERY)
def test_the_default_run_keeps_the_contract(name: str) -> None:
    result = result_of(name, {})
    check(result)
    assert result.done
    assert result.progress == 1.0


@pytest.mark.parametrize("name", all_of(quick(), thorough()))
def test_every_extreme_of_every_parameter_keeps_the_contract(name: str) -> None:
    for values in extremes(CATALOGUE[name]):
        check(result_of(name, values))


@pytest.mark.parametrize("name", all_of(quick(), thorough()))
def test_the_same_values_give_the_same_result_and_leave_torch_as_it_was(name: str) -> None:
    simulation = CATALOGUE[name]
    values = resolve(simulation, {})
    before, threads, kind = torch.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    first = simulation.run(values)
    assert torch.equal(torch.get_rng_state(), before)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, kind)
    assert torch.is_grad_enabled()
    torch.rand(3)
    with torch.no_grad():  # nor does the caller's own state come in
        assert plain(simulation.run(values)) == plain(first)


@pytest.mark.parametrize("name", all_of(quick(), thorough()))
def test_the_python_of_the_default_run_runs(name: str) -> None:
    code = compile(result_of(name, {}).python, f"{name}.py", "exec")
    said = io.StringIO()
    with isolated(0), contextlib.redirect_stdout(said):
        exec(code, {})
    assert said.getvalue().strip() or name == "training-loop"


@pytest.mark.parametrize("name", all_of(quick(), thorough()))
def test_every_preset_runs_and_says_something(name: str) -> None:
    for preset in CATALOGUE[name].presets:
        check(result_of(name, preset.values))


@pytest.mark.parametrize("name", EVERY)
def test_a_simulation_describes_itself_in_json(name: str) -> None:
    simulation = CATALOGUE[name]
    described = json.loads(json.dumps(simulation.describe(), allow_nan=False))
    assert described["name"] == name
    assert {each["name"] for each in described["parameters"]} == {each.name for each in simulation.parameters}
    presets = [preset.name for preset in simulation.presets]
    assert len(set(presets)) == len(presets)
    assert simulation.presets
    assert simulation.claims
    assert simulation.teaches
    for parameter in simulation.parameters:
        if parameter.kind in ("number", "integer"):
            assert parameter.low is not None
            assert parameter.high is not None
            assert parameter.low <= float(parameter.default) <= parameter.high
            assert not (parameter.log and parameter.low <= 0)
        others = {each.name: each for each in simulation.parameters}
        for name, allowed in parameter.needs:
            choices = [value for value, _ in others[name].choices]
            assert set(allowed) <= set(choices or [True, False, ""])
        if parameter.kind == "choice":
            assert parameter.default in [value for value, _ in parameter.choices]


@pytest.mark.parametrize("name", EVERY)
def test_the_state_of_an_address_is_read_back_as_it_was(name: str) -> None:
    simulation = CATALOGUE[name]
    assert to_state(simulation, resolve(simulation, {})) == "1"
    for given in [*extremes(simulation), *(dict(preset.values) for preset in simulation.presets)]:
        values = resolve(simulation, given)
        state = to_state(simulation, values)
        assert len(state) < 300
        assert from_state(simulation, state) == values


def test_every_row_of_the_table_of_simulations_has_one() -> None:
    assert {each.number for each in CATALOGUE.values()} >= TABLE
    assert len(CATALOGUE) >= 30


DIVERGING: dict[str, dict] = {
    "learning-rate": {"rate": 1.2, "curvature": 20.0, "steps": 400},
    "loss-landscape": {"surface": "rosenbrock", "rate": 1.5},
    "optimizer-contour": {"tuned": False, "sgd_rate": 2.5, "momentum_rate": 2.5},
    "optimizer-race": {"rate": 1.0, "surface": "beale"},
    "scalar-descent": {"rate": 1.2, "steps": 100, "start": 10.0},
    "four-pieces": {"piece": "rate", "rate": 1.0},
    "loss-curves": {"scenario": "nan"},
    "saddle": {"rate": 1.0, "noise": 1.0},
}


@pytest.mark.parametrize("name", DIVERGING)
def test_what_diverges_is_said_to_and_keeps_its_axes_finite(name: str) -> None:
    result = result_of(name, DIVERGING[name])
    check(result)
    if name != "saddle":
        assert result.verdict.sign in ("error", "warning")
        assert "diverge" in result.verdict.text
    for plot in result.plots:
        assert plot.y.low is not None
        assert plot.y.high is not None
        assert plot.y.high < 1e12
        shown = [y for series in plot.series for y in series.y if plot.y.low <= y <= plot.y.high]
        assert shown, "the window shows nothing"


@pytest.mark.parametrize("name", quick())
def test_no_two_lines_of_a_simulation_differ_by_their_colour_alone(name: str) -> None:
    result = result_of(name, {})
    for drawn in [*(plot.series for plot in result.plots), *(field.paths for field in result.fields)]:
        looks = [(each.style == "points", each.dash) for each in drawn if each.style not in ("bars", "stems")]
        assert len(set(looks)) == len(looks) or len(looks) > 4, name
