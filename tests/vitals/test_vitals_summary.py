"""A summary says what a model consists of, counts everything once, and changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from vitals_memory_nets import NETWORKS, Transformer
from vitals_nets import Centred, Drawing, account, batch, delicate

from trainwright.errors import ModelError
from trainwright.records.model import ModelRow, ModelSummary
from trainwright.vitals.step_plan import without_data
from trainwright.vitals.summary import summarise


def row(summary: ModelSummary, path: str) -> ModelRow:
    (found,) = [row for row in summary.rows if row.path == path]
    return found


def test_a_network_is_told_row_by_row() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 36, 10))
    summary = summarise(model, torch.randn(2, 3, 8, 8))
    assert [(row.path, row.kind, row.outputs, row.parameters) for row in summary.rows] == [
        ("0", "Conv2d", ((2, 8, 6, 6),), 3 * 8 * 9 + 8),
        ("2", "BatchNorm2d", ((2, 8, 6, 6),), 16),
        ("3", "Flatten", ((2, 288),), 0),
        ("4", "Linear", ((2, 10),), 2890),
    ]
    assert (summary.kind, summary.input_shape, summary.outputs) == ("Sequential", (2, 3, 8, 8), ((2, 10),))
    assert summary.parameters == summary.trainable == sum(row.parameters for row in summary.rows)
    assert summary.parameter_bytes == 4 * summary.parameters
    assert summary.buffer_bytes == 2 * 8 * 4 + 8  # running mean and variance, and a count of batches
    assert summary.unused == ()


@pytest.mark.parametrize("network", NETWORKS)
def test_the_total_is_that_of_all_parameters(network: str) -> None:
    make, data = NETWORKS[network]
    model = make()
    summary = summarise(model, data(2)[0])
    assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert sum(row.parameters - row.tied for row in summary.rows) == summary.parameters
    assert summary.unused == ()


def test_tied_weights_count_once() -> None:
    model = Transformer(width=32, layers=1, vocabulary=60)
    summary = summarise(model, torch.zeros(2, 5, dtype=torch.long))
    assert (row(summary, "embedding").parameters, row(summary, "embedding").tied) == (60 * 32, 0)
    assert (row(summary, "head").parameters, row(summary, "head").tied) == (60 * 32, 60 * 32)


def test_what_learns_is_told_apart() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Flatten(0))
    model[0].requires_grad_(False)
    model[1].bias.requires_grad_(False)
    summary = summarise(model, torch.randn(3, 4))
    assert [row.learns for row in summary.rows] == ["frozen", "partly", "trainable", ""]
    assert (summary.parameters, summary.trainable) == (60, 16 + 20)


@pytest.mark.parametrize(("frozen", "whole", "mode"), [(0, True, "mixed"), (3, True, "evaluation"), (0, False, None)])
def test_the_mode_is_the_models_own_and_not_that_of_the_look(frozen: int, whole: bool, mode: str | None) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    model[1].eval()
    if frozen:
        model.eval()
    if not whole:
        model.train()
    summary = summarise(model, torch.randn(3, 4))
    assert [row.training for row in summary.rows] == [model[0].training, model[1].training]
    assert summary.mode == (mode or "training")


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.shared = nn.Linear(4, 4)
        self.cells = nn.GRU(4, 6, batch_first=True)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.forgotten = nn.Sequential(nn.Linear(9, 9), nn.ReLU())

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.shared(self.shared(x * self.scale))
        x, _ = self.cells(x)
        return {"mean": self.attention(x, x, x)[0].mean(1), "all": x}


def test_modules_that_take_no_part_are_named_and_those_used_by_others_are_not() -> None:
    summary = summarise(Branching(), torch.randn(2, 5, 4))
    assert [row.path for row in summary.unused] == ["forgotten.0"]
    inside = row(summary, "attention.out_proj")  # attention multiplies by its weight without calling it
    assert (inside.calls, inside.outputs, inside.used) == (0, (), True)
    assert row(summary, "").parameters == 4  # the scale, which the model owns itself
    assert row(summary, "shared").calls == 2
    assert row(summary, "cells").outputs == ((2, 5, 6), (1, 2, 6))
    assert summary.outputs == ((2, 5, 6), (2, 6)) or summary.outputs == ((2, 6), (2, 5, 6))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_fused_evaluation_path_hides_no_layer(frozen: bool) -> None:
    """torch computes a whole encoder layer at once in evaluation mode, without calling what is in it."""
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model.requires_grad_(not frozen)
    summary = summarise(model, torch.randn(2, 5, 16))
    assert summary.unused == ()
    assert row(summary, "linear1").outputs == ((2, 5, 32),)


def test_a_model_that_does_not_exist_is_summarised_alike() -> None:
    x = torch.randn(2, 3, 12, 12)
    make, _ = NETWORKS["residual"]
    assert summarise(without_data(make), x) == summarise(make(), x)


def test_an_absurd_model_is_summarised_without_being_there() -> None:
    model = without_data(lambda: nn.Sequential(*(nn.Linear(65_536, 65_536) for _ in range(50))))
    assert summarise(model, torch.zeros(1, 65_536)).parameters == 50 * (65_536**2 + 65_536)


@pytest.mark.parametrize("training", [True, False])
def test_a_summary_leaves_no_footprint(training: bool) -> None:
    model = nn.Sequential(Centred(), delicate(), Drawing())
    x, y = batch()
    nn.functional.cross_entropy(model(x.clone()), y).backward()
    if not training:
        model.eval()
    before = account(model, x)
    summarise(model, x)
    assert account(model, x) == before


def test_a_model_that_fails_says_where_with_what_and_leaves_no_footprint() -> None:
    model = nn.Sequential(delicate(4), nn.ReLU(), nn.Sequential(nn.Linear(5, 2)))
    x, _ = batch()
    before = account(model, x)
    with pytest.raises(ModelError) as caught:
        summarise(model, x)
    assert account(model, x) == before
    assert "it fails in '2.0' (Linear)" in caught.value.what
    assert "(40, 5), float32" in caught.value.what
    assert "'2.0' was given (40, 4)" in caught.value.evidence
    assert "shapes cannot be multiplied" in caught.value.evidence


def test_inputs_of_the_wrong_type_are_a_model_error() -> None:
    with pytest.raises(ModelError, match="embedding"):
        summarise(Transformer(), torch.randn(2, 5))


def test_a_model_that_fails_by_itself_is_not_blamed_on_a_layer() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("no such thing\nand more")

    with pytest.raises(ModelError) as caught:
        summarise(Broken(), torch.randn(2, 5))
    assert caught.value.evidence == "ValueError: no such thing"


def test_a_models_own_refusal_passes_as_it_is() -> None:
    class Refusing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ModelError("built for 3 tokens")

    with pytest.raises(ModelError, match=r"^built for 3 tokens$"):
        summarise(Refusing(), torch.randn(2, 5))


def test_a_lazy_model_is_refused_and_stays_lazy() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ModelError, match="shape is not known yet"):
        summarise(model, torch.randn(2, 5))
    assert isinstance(model[0].weight, nn.parameter.UninitializedParameter)
