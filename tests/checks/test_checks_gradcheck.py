from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from cases_gradients import Handmade, Scaled
from gradcheck_nets import mlp, rows
from torch import nn
from torch.nn import functional as F

from trainwright.checks.gradcheck import gradcheck
from trainwright.checks.gradcheck_copy import few
from trainwright.errors import ModelError, UsageError
from trainwright.randomness import isolated
from trainwright.report.gradcheck_text import render_gradcheck, render_sweep, sweep_html, sweep_svg


@pytest.fixture(autouse=True)
def _seeded() -> Any:
    with isolated(11, "gradcheck tests"):
        yield


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 4, padding_idx=0)
        self.cells = kind(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.cells(self.embedding(ids))[0][:, -1])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.embedding(ids)).mean(1))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 6), nn.Bilinear(6, 3, 2)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.two(torch.sigmoid(self.one(left)), right)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, dtype=torch.complex64))
        self.phase = nn.Parameter(torch.randn(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ((x.to(self.weight.dtype) @ self.weight.T) * torch.exp(1j * self.phase)).abs().square() + x[:, :3]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.3, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x).mean(1))


def convolution() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten()),
        nn.Linear(36, 3),
    )


IDS, LABELS = torch.arange(40).reshape(8, 5) % 7, torch.arange(8) % 3
FAMILIES: dict[str, tuple[Any, Any, Any, Any]] = {
    "tanh": (mlp, "cross_entropy", lambda: torch.randn(8, 5), lambda: LABELS),
    "relu": (lambda: mlp(nn.ReLU), "cross_entropy", lambda: torch.randn(8, 5), lambda: LABELS),
    "convolution": (convolution, "cross_entropy", lambda: torch.randn(8, 1, 8, 8), lambda: LABELS),
    "gru": (lambda: Recurrent(nn.GRU), F.cross_entropy, lambda: IDS, lambda: LABELS),
    "lstm": (lambda: Recurrent(nn.LSTM), F.cross_entropy, lambda: IDS, lambda: LABELS),
    "tied": (Tied, F.cross_entropy, lambda: IDS, lambda: LABELS),
    "attention": (Attention, F.cross_entropy, lambda: torch.randn(8, 3, 8), lambda: LABELS % 2),
    "complex": (Complex, F.mse_loss, lambda: torch.randn(8, 4), lambda: torch.randn(8, 3)),
    "two inputs": (Two, F.mse_loss, lambda: (torch.randn(8, 4), torch.randn(8, 3)), lambda: torch.randn(8, 2)),
    "named inputs": (
        *(Two, nn.SmoothL1Loss()),
        lambda: {"right": torch.randn(8, 3), "left": torch.randn(8, 4)},
        lambda: torch.randn(8, 2),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_correct_gradient_is_sound(family: str) -> None:
    build, loss, x, y = FAMILIES[family]
    model = build()
    check = gradcheck(model, loss, (x(), y()))
    assert check.ok, check.worst
    assert check.max_relative_error < 1e-5
    assert set(check.parameters) == {name for name, _ in model.named_parameters()}
    assert check.confidence == 1.0
    assert (check.method == "every entry, vectorised") == (family not in ("gru", "lstm")), check.notes


@pytest.mark.parametrize(
    ("name", "faults", "wrong"),
    [
        ("one per cent off", {"factors": (1.01, 1.0, 1.0)}, {"weight"}),
        ("wrong sign", {"factors": (1.0, -1.0, 1.0)}, {"before.weight", "before.bias"}),
        ("missing term", {"second": 0.0}, {"weight", "bias", "before.weight", "before.bias"}),
        ("wrong for the bias", {"factors": (1.0, 1.0, 2.0)}, {"bias"}),
    ],
)
def test_a_planted_wrong_backward_is_named_with_its_parameter(name: str, faults: Any, wrong: set[str]) -> None:
    x, y = torch.randn(8, 6), torch.randint(0, 3, (8,))
    check = gradcheck(Handmade(**faults), F.cross_entropy, (x, y))
    assert {each.name for each in check.parameters.values() if each.band == "wrong"} == wrong, name
    assert check.verdict == "wrong"
    assert not check.ok
    worst = check.worst
    assert worst.entry is not None
    assert abs(worst.analytic - worst.numeric) > 1e-3 * abs(worst.numeric)


class Crooked(torch.autograd.Function):
    """A ReLU whose backward is three per cent too large: kinks everywhere, and a fault besides."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *given: torch.Tensor) -> Any:
        return given[0] * (ctx.saved_tensors[0] > 0) * 1.03


class Kinked(nn.Module):
    """Activations within 1e-5 of the kink of a ReLU, for every weight of the first layer."""

    def __init__(self, *, crooked: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.head = nn.Linear(24, 1)
        self.crooked = crooked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = (x[:, :, None] * (self.weight + 1e-9)).flatten(1)
        return self.head(Crooked.apply(hidden) if self.crooked else F.relu(hidden))


def test_entries_at_kinks_are_set_aside_and_a_check_of_nothing_else_does_not_pass() -> None:
    check = gradcheck(Kinked(crooked=False), F.mse_loss, (torch.randn(8, 6), torch.randn(8, 1)), random_point=False)
    weight = check.parameters["weight"]
    assert weight.kinks == 4
    assert weight.undecided
    assert not check.ok
    assert any("kinks" in note for note in check.notes)
    assert check.parameters["head.weight"].band == "sound"


def test_kinks_do_not_excuse_a_wrong_backward() -> None:
    model = nn.Sequential(nn.Linear(5, 40), nn.ReLU(), nn.Linear(40, 3))
    model[1].forward = lambda x: Crooked.apply(x)  # type: ignore[method-assign]
    check = gradcheck(model, F.cross_entropy, rows(16))
    assert check.parameters["0.weight"].band == "wrong"
    assert check.parameters["0.bias"].band == "wrong"
    assert check.parameters["2.weight"].band == "sound"


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_net_of_relus_is_sound_whatever_the_seed(seed: int) -> None:
    with isolated(seed, "wide"):
        model = nn.Sequential(nn.Linear(5, 60), nn.ReLU(), nn.Linear(60, 60), nn.ReLU(), nn.Linear(60, 3))
        check = gradcheck(model, F.cross_entropy, rows(16), samples=16)
    assert check.ok, check.worst
    assert check.kink_share < 0.05


def test_a_large_net_is_sampled_with_its_confidence_and_a_fault_in_it_is_found() -> None:
    class Wide(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(300, 60) / 8)
            self.bias = nn.Parameter(torch.zeros(300))
            self.head = nn.Linear(300, 3)
            self.factor = factor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.tanh(Scaled.apply(x, self.weight, self.bias, (1.0, 1.0, self.factor))))

    batch = torch.randn(8, 60), torch.randint(0, 3, (8,))
    sound = gradcheck(Wide(1.0), F.cross_entropy, batch)
    assert sound.verdict == "sound", sound.worst
    assert 0.9 < sound.confidence < 1
    assert sound.parameters["weight"].entries < sound.parameters["weight"].total
    assert sound.parameters["weight"].directions > 0
    assert "sample" in sound.method
    found = gradcheck(Wide(1.01), F.cross_entropy, batch)
    assert [each.name for each in found.parameters.values() if each.band == "wrong"] == ["bias"]


class Guarded(nn.Module):
    """Looks at its own values, as vectorising cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.inner(x)
        return output if float(output.abs().max()) < 1e6 else output * 0


class Narrow(nn.Module):
    """Computes in float32 whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow = torch.float32
        return F.linear(x.to(narrow), self.inner.weight.to(narrow), self.inner.bias.to(narrow)).tanh()


def test_what_cannot_be_vectorised_is_passed_one_by_one_and_says_why() -> None:
    check = gradcheck(Guarded(), "cross_entropy", rows())
    assert check.ok
    assert "one by one" in check.method
    assert any(".item()" in note for note in check.notes)


def test_a_forward_that_casts_to_float32_is_checked_in_float64_and_says_so() -> None:
    check = gradcheck(Narrow(), "cross_entropy", rows())
    assert check.ok
    assert check.precision == "float64"
    assert any("precision" in note for note in check.notes)


def test_samples_are_taken_of_different_targets() -> None:
    x, y = torch.randn(60, 5), torch.arange(60) // 20
    for seed in range(3):
        _, targets, used = few(x, y, 4, seed)
        assert used == 4
        assert set(targets.tolist()) == {0, 1, 2}
    assert not torch.equal(few(x, y, 4, 0)[0], few(x, y, 4, 1)[0])
    assert torch.equal(few(x, y, 4, 0)[0], few(x, y, 4, 0)[0])
    assert few(x.numpy(), y.numpy(), 4)[2] == 4


class Residual(nn.Module):
    """Takes the output of a layer before its activation too."""

    def __init__(self, activation: Any) -> None:
        super().__init__()
        self.inner, self.head, self.activation = nn.Linear(5, 5), nn.Linear(5, 3), activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.inner(x)
        return self.head(self.activation(output) + 0.5 * output)


@pytest.mark.parametrize(
    "activation", [torch.tanh, torch.sigmoid, F.gelu, nn.SiLU(inplace=True), nn.GELU("tanh"), F.softplus, F.relu]
)
def test_activations_behind_a_linear_are_sound_with_and_without_its_weight(activation: Any) -> None:
    model = Residual(activation)
    assert gradcheck(model, "cross_entropy", rows()).verdict == "sound"
    model.inner.weight.requires_grad_(False)
    assert gradcheck(model, "cross_entropy", rows()).verdict == "sound"


def test_a_padding_row_that_gets_no_gradient_is_left_out_by_name() -> None:
    check = gradcheck(Recurrent(nn.GRU), F.cross_entropy, (IDS, LABELS), parameters=["embedding.weight"])
    assert check.ok
    assert "padding" in check.left_out["embedding.weight"]


def test_nothing_of_the_model_or_the_world_is_touched() -> None:
    model = convolution().train()
    before = copy.deepcopy(model.state_dict())
    model(torch.randn(4, 1, 8, 8)).sum().backward()
    model.load_state_dict(before)
    gradients = [weight.grad for weight in model.parameters()]
    values = [None if gradient is None else gradient.clone() for gradient in gradients]
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    gradcheck(model, "cross_entropy", (torch.randn(8, 1, 8, 8, generator=torch.Generator()), LABELS))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == dtype
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for weight, gradient, value in zip(model.parameters(), gradients, values, strict=True):
        assert weight.grad is gradient
        assert value is not None
        assert torch.equal(value, gradient)  # type: ignore[arg-type]


def test_the_same_check_says_the_same_twice() -> None:
    model, batch = mlp(nn.ReLU), rows()
    one, two = (gradcheck(model, "cross_entropy", batch).to_json() for _ in range(2))
    assert one.pop("seconds") > 0
    two.pop("seconds")
    assert one == two


def test_weights_at_zero_are_moved_to_a_random_point_where_every_layer_has_a_gradient() -> None:
    model = mlp()
    nn.init.zeros_(model[4].weight)  # type: ignore[index]
    check = gradcheck(model, "cross_entropy", rows())
    assert check.parameters["0.weight"].below_rounding < 6
    assert check.ok


def test_the_sweep_is_a_v_and_can_be_drawn() -> None:
    check = gradcheck(mlp(), "cross_entropy", rows(), sweep=True)
    errors = {f"{point.h:.0e}": point.relative_error for point in check.sweep}
    assert errors["1e-05"] < 1e-8
    assert errors["1e-01"] > 1e3 * errors["1e-05"]
    assert errors["1e-12"] > 1e3 * errors["1e-05"]
    text = render_gradcheck(check)
    assert "sound" in text
    assert "0.weight" in text
    assert "⠀" in render_sweep(check.sweep)
    assert sweep_svg(check).startswith("<svg")
    assert "polyline" in sweep_html(check)
    json.dumps(check.to_json(), allow_nan=False)


def test_only_the_parameters_asked_for_are_checked_and_arrays_do_as_data() -> None:
    x, y = rows()
    check = gradcheck(mlp(), "cross_entropy", (np.asarray(x), np.asarray(y)), parameters=["0.bias"])
    assert list(check.parameters) == ["0.bias"]


def test_a_value_that_is_cut_from_the_graph_shows() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output = self.inner(x)
            return output * output.detach()

    check = gradcheck(Cut(), F.cross_entropy, rows())
    assert check.verdict == "wrong"
    assert any("detach" in note for note in check.notes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"h": 0.0}, UsageError, "1e-10"),
        ({"h": 1.0}, UsageError, "0.1"),
        ({"h": float("nan")}, UsageError, "step"),
        ({"parameters": ["0.wieght"]}, UsageError, "0.weight"),
        ({"parameters": []}, UsageError, "no parameter"),
        ({"loss": "cross_entorpy"}, UsageError, "cross_entropy"),
        ({"loss": lambda o, y: F.cross_entropy(o, y, reduction="none")}, UsageError, "single"),
        ({"loss": lambda o, y: 1.0}, UsageError, "float"),
        ({"loss": lambda o, y: o.sum() / 0}, ModelError, "finite"),
        ({"loss": lambda o, y: F.mse_loss(o[:, :2], y)}, ModelError, "cannot be computed"),
        ({"model": nn.ReLU()}, UsageError, "no parameter"),
        ({"model": mlp().requires_grad_(False)}, UsageError, "requires a gradient"),
        ({"batch": torch.zeros(3)}, UsageError, "pair"),
    ],
)
def test_a_wrong_call_is_refused_with_the_remedy(change: dict[str, Any], error: type[Exception], words: str) -> None:
    given: dict[str, Any] = {"model": mlp(), "loss": "cross_entropy", "batch": rows(), **change}
    model, loss, batch = (given.pop(name) for name in ("model", "loss", "batch"))
    with pytest.raises(error, match=words):
        gradcheck(model, loss, batch, **given)
