"""The forecast of a step's memory is what a real step takes, and costs none."""

from __future__ import annotations

import copy
import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from vitals_memory_nets import NETWORKS, PLAN, Transformer, adamw, mlp, sgd, tokens, vectors
from vitals_nets import account, batch, delicate

from trainwright.errors import ModelError
from trainwright.parts import losses, models, optimizers
from trainwright.parts.catalogue import resolve_options
from trainwright.records import DataShape
from trainwright.records.model import MemoryForecast
from trainwright.training.activations import checkpointing
from trainwright.vitals.forecast import forecast
from trainwright.vitals.memory import measure_peak
from trainwright.vitals.step_plan import Batch, StepPlan, without_data


def measured_step(model: nn.Module, plan: StepPlan, batches: list[Batch]) -> int:
    """Return the peak of the second training step, written as a user writes it."""
    model = copy.deepcopy(model).train()
    optimizer = plan.optimizer(model)

    def step() -> None:
        optimizer.zero_grad()
        for x, y in batches:
            output, loss = plan.forward(model, x, y)
            loss.backward()
            del output, loss
        optimizer.step()

    with plan.recomputing(model):
        step()
        return measure_peak(step)


def check(model: nn.Module, plan: StepPlan, data: Batch, within: float = 0.05) -> MemoryForecast:
    seen = forecast(model, plan, (data[0][:1], data[1][:1]), len(data[0]))
    assert seen.total == pytest.approx(measured_step(model, plan, [data]), rel=within)
    return seen


@pytest.mark.parametrize("recompute", [None, checkpointing], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("size", [4, 48])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_forecast_is_the_peak_of_a_real_step(network: str, size: int, recompute: Any) -> None:
    make, data = NETWORKS[network]
    seen = check(make(), replace(PLAN, recompute=recompute), data(size))
    assert seen.method == "shapes"
    assert seen.recomputed == (recompute is not None)


@pytest.mark.parametrize("network", NETWORKS)
def test_checkpointing_is_forecast_to_save_activations(network: str) -> None:
    make, data = NETWORKS[network]
    plain = forecast(make(), PLAN, data(1), 64)
    saving = forecast(make(), replace(PLAN, recompute=checkpointing), data(1), 64)
    assert saving.activations < 0.75 * plain.activations
    assert saving.total < plain.total
    assert (saving.parameters, saving.optimizer_state) == (plain.parameters, plain.optimizer_state)


@pytest.mark.parametrize("plan", [replace(PLAN, precision="bf16"), replace(PLAN, optimizer=sgd)], ids=["bf16", "sgd"])
@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_the_forecast_holds_for_bfloat16_and_for_sgd(network: str, plan: StepPlan) -> None:
    make, data = NETWORKS[network]
    check(make(), plan, data(16))


SHAPES = {
    "mlp": DataShape(input_shape=(20,), outputs=5, task="classification"),
    "cnn": DataShape(input_shape=(3, 12, 12), outputs=5, task="classification"),
    "resnet": DataShape(input_shape=(3, 12, 12), outputs=5, task="classification"),
    "transformer": DataShape(input_shape=(16,), outputs=40, task="classification", vocabulary=40),
}
SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"width": 8},
    "resnet": {"width": 8, "depth": 1, "stages": 2},
    "transformer": {"width": 32, "layers": 2, "heads": 2},
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_forecast_holds_for_the_networks_of_the_catalogue(name: str) -> None:
    shape = SHAPES[name]
    model = models.build(name, shape, SMALL.get(name, {}))
    if shape.vocabulary is None:
        data = torch.randn(24, *shape.input_shape), torch.randint(0, 5, (24,))
    else:
        data = torch.randint(0, 40, (24, 16)), torch.randint(0, 40, (24, 16))
    assert check(model, replace(PLAN, loss=losses.cross_entropy), data).method == "shapes"


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    values = tree_leaves(list(optimizer.state.values()))
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, torch.Tensor))


@pytest.mark.parametrize("name", [name for name, spec in optimizers.CATALOGUE.items() if not spec.closure])
def test_the_state_and_the_peak_of_every_optimizer_are_forecast(name: str) -> None:
    spec = optimizers.CATALOGUE[name]

    def make(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = spec.factory([{"params": list(model.parameters())}], **resolve_options(spec.options, {}, name))
        if spec.averages:
            optimizer.train()
        return optimizer

    model = mlp()
    plan = replace(PLAN, optimizer=make)
    seen = check(model, plan, vectors(8))
    assert seen.method == "shapes"
    trained = copy.deepcopy(model)
    optimizer = make(trained)
    for _ in range(2):
        plan.forward(trained, *vectors(8))[1].backward()
        optimizer.step()
    assert seen.optimizer_state == state_bytes(optimizer)


@pytest.mark.parametrize("name", ["adamw", "adagrad", "adafactor", "lion", "muon"])
def test_many_layers_of_one_shape_are_forecast_from_some_of_them(name: str) -> None:
    spec = optimizers.CATALOGUE[name]

    def make(model: nn.Module) -> torch.optim.Optimizer:
        return spec.factory([{"params": list(model.parameters())}], **resolve_options(spec.options, {}, name))

    model = nn.Sequential(*(part for _ in range(30) for part in (nn.Linear(24, 24), nn.Tanh())), nn.Linear(24, 10))
    seen = check(model, replace(PLAN, optimizer=make), vectors(2))
    optimizer = make(model)
    PLAN.forward(model, *vectors(2))[1].backward()
    optimizer.step()
    assert seen.optimizer_state == state_bytes(optimizer)


@pytest.mark.parametrize(("optimizer", "copies"), [(sgd, 0), (adamw, 2)])
def test_parameters_gradients_and_state_are_exact(
    optimizer: Callable[[nn.Module], torch.optim.Optimizer], copies: int
) -> None:
    model = mlp()
    model[0].requires_grad_(False)  # type: ignore[index]
    everything = sum(parameter.numel() for parameter in model.parameters()) * 4
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) * 4
    counters = sum(parameter.requires_grad for parameter in model.parameters()) * 4 if copies else 0
    seen = forecast(model, replace(PLAN, optimizer=optimizer), vectors(1), 8)
    assert (seen.parameters, seen.gradients) == (everything, learning)
    assert seen.optimizer_state == copies * learning + counters  # Adam counts its steps for each tensor
    assert seen.inputs == 8 * (24 * 4 + 8)


def test_an_optimizer_that_updates_all_parameters_at_once_needs_more() -> None:
    def together(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), foreach=True)

    model = mlp()
    check(model, replace(PLAN, optimizer=together), vectors(2))
    one_by_one, on_cuda = (forecast(model, PLAN, vectors(1), 2, device=device).total for device in ("cpu", "cuda"))
    assert one_by_one < on_cuda == forecast(model, replace(PLAN, optimizer=together), vectors(1), 2).total


@pytest.mark.parametrize(("samples", "history"), [(100, 10), (2000, 4)])
def test_the_forecast_holds_for_a_line_search(samples: int, history: int) -> None:
    model = nn.Sequential(nn.Linear(24, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    x, y = torch.randn(samples, 24), torch.randn(samples, 1)

    def searching(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(model.parameters(), history_size=history, max_iter=12, line_search_fn="strong_wolfe")

    plan = StepPlan(loss=F.mse_loss, optimizer=searching)
    seen = forecast(model, plan, (x, y), samples)
    optimizer = searching(model)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    peak = measure_peak(lambda: optimizer.step(closure))  # type: ignore[arg-type]
    assert seen.total == pytest.approx(peak, rel=0.2)
    assert seen.optimizer_state == pytest.approx(state_bytes(optimizer), rel=0.01)


def test_gradients_of_several_batches_are_there_beside_the_activations() -> None:
    model, data = mlp(), vectors(32)
    plan = replace(PLAN, optimizer=sgd, accumulate=3)
    seen = forecast(model, plan, data, 32)
    twice = [data, (data[0].clone(), data[1].clone())]
    assert seen.total == pytest.approx(measured_step(model, plan, twice), rel=0.05)
    assert seen.total > forecast(model, replace(plan, accumulate=1), data, 32).total


@pytest.mark.parametrize("network", NETWORKS)
def test_activations_are_what_autograd_saves(network: str) -> None:
    make, data = NETWORKS[network]
    model = make()
    x, y = data(16)
    known = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers(), x, y]}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in known:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(x)
        F.cross_entropy(output, y)
    expected = {pointer: tensor.untyped_storage().nbytes() for pointer, tensor in saved.items()}
    expected[output.untyped_storage().data_ptr()] = output.untyped_storage().nbytes()  # the step holds on to it
    assert forecast(model, PLAN, (x, y), 16).activations == pytest.approx(sum(expected.values()), rel=0.02)


def test_activations_grow_with_layers_batch_and_width() -> None:
    """G4, "The Forward Pass": memory cost O(number of layers x batch size x layer width)."""

    def activations(layers: int, size: int, width: int) -> int:
        model = nn.Sequential(*(part for _ in range(layers) for part in (nn.Linear(width, width), nn.ReLU())))
        plan = StepPlan(loss=lambda output, y: output.mean(), optimizer=sgd)
        return forecast(model, plan, (torch.zeros(1, width), torch.zeros(1)), size).activations

    once = activations(4, 8, 16)
    assert activations(8, 8, 16) == pytest.approx(2 * once, rel=0.05)
    assert activations(4, 16, 16) == pytest.approx(2 * once, rel=0.05)
    assert activations(4, 8, 32) == pytest.approx(2 * once, rel=0.05)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_model_that_does_not_exist_is_forecast_alike(network: str) -> None:
    make, data = NETWORKS[network]
    nowhere = without_data(make)
    assert all(parameter.is_meta for parameter in nowhere.parameters())
    assert forecast(nowhere, PLAN, data(1), 32) == forecast(make(), PLAN, data(1), 32)


def absurd(depth: int) -> MemoryForecast:
    """Return the forecast of a network of 65,536 units in each layer, built on no device."""
    shape = DataShape(input_shape=(64,), outputs=10, task="classification")
    model = without_data(lambda: models.build("mlp", shape, {"width": 65_536, "depth": depth, "dropout": 0.0}))
    return forecast(model, PLAN, (torch.zeros(1, 64), torch.zeros(1, dtype=torch.long)), 64)


@pytest.mark.parametrize("depth", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_an_absurd_model_is_forecast_without_being_there(depth: int) -> None:
    forecast(mlp(), PLAN, vectors(1), 8)  # what torch imports on the way is not the model's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = absurd(depth)
    layer = (65_536 * 65_536 + 65_536) * 4
    assert seen.parameters == (depth - 1) * layer + (64 * 65_536 + 65_536 + 65_536 * 10 + 10) * 4
    assert seen.total > 4 * (depth - 1) * layer  # parameters, gradients and two moments
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KiB


class Choosing(nn.Module):
    """Goes another way where its input is large: no shape tells which."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x if float(x.detach().abs().max()) < 100 else x / 100)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(16, 24, batch_first=True)
        self.head = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(x)[0][:, -1])


@pytest.mark.parametrize("size", [1, 20, 200])
def test_what_shapes_cannot_tell_is_measured_and_extrapolated(size: int) -> None:
    assert check(Choosing(), PLAN, vectors(size), within=0.2 if size > 1 else 0.05).method == "measured"
    sequences = torch.randn(size, 12, 16), torch.randint(0, 10, (size,))
    assert check(Recurrent(), PLAN, sequences, within=0.2).method == "measured"


def test_what_does_not_exist_and_depends_on_values_is_refused() -> None:
    model = without_data(Choosing)
    with pytest.raises(ModelError, match="cannot be forecast"):
        forecast(model, PLAN, vectors(1), 4)


def test_a_model_that_cannot_take_the_batch_is_refused_with_the_reason() -> None:
    with pytest.raises(ModelError, match=r"cannot be forecast[\s\S]*shapes cannot be multiplied"):
        forecast(mlp(), PLAN, (torch.randn(2, 7), torch.zeros(2, dtype=torch.long)), 4)


def test_a_lazy_model_is_refused_until_it_has_seen_a_batch() -> None:
    with pytest.raises(ModelError, match="shape is not known yet"):
        forecast(nn.Sequential(nn.LazyLinear(3)), PLAN, vectors(1), 4)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_a_forecast_leaves_no_footprint(training: bool) -> None:
    model, (x, y) = delicate(), batch()
    F.cross_entropy(model(x), y).backward()
    model.train(training)
    before = account(model, x, y)
    assert forecast(model, PLAN, (x, y), 16).method == "shapes"
    assert account(model, x, y) == before


@pytest.mark.parametrize("network", NETWORKS)
def test_a_forecast_with_checkpointing_leaves_no_footprint(network: str) -> None:
    make, data = NETWORKS[network]
    model, (x, y) = make(), data(4)
    before = account(model, x, y)
    forecast(model, replace(PLAN, recompute=checkpointing), (x, y), 16)
    assert account(model, x, y) == before
    assert all("forward" not in vars(module) for module in model.modules())


def test_a_measured_forecast_leaves_no_footprint_either() -> None:
    model = Choosing()
    x, y = vectors(8)
    plan = replace(PLAN)
    plan.forward(model, x, y)[1].backward()
    before = account(model, x, y)
    assert forecast(model, plan, (x, y), 64).method == "measured"
    assert account(model, x, y) == before


def test_tied_parameters_count_once() -> None:
    model = Transformer()
    assert forecast(model, PLAN, tokens(1), 4).parameters == 4 * sum(p.numel() for p in set(model.parameters()))
