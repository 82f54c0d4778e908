"""Weights that a model starts from: what fits by name and shape, what is refused, and what a file may hold."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from trainwright.errors import ModelError, RunError, TrainwrightError, UsageError
from trainwright.parts.weight_files import read_weights
from trainwright.parts.weight_names import match
from trainwright.parts.weights import head_of, load
from trainwright.report.loading_text import loading_lines


def net(outputs: int = 3, width: int = 4, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(5, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 6), nn.ReLU(), nn.Linear(6, outputs)
    )


class Named(nn.Module):
    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(6, outputs)  # registered first: the order says nothing
        self.body = nn.Sequential(nn.Linear(5, 6), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def renamed(state: Any, change: Any) -> dict[str, torch.Tensor]:
    return {change(name): value for name, value in state.items()}


class TestMatching:
    def test_the_same_names_and_shapes_are_all_loaded_and_counted(self) -> None:
        model, other = net(), net(seed=1)
        loaded = load(model, other.state_dict())
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())
        assert len(loaded.loaded) == loaded.tensors == len(model.state_dict())
        assert loaded.numbers == loaded.all_numbers == sum(value.numel() for value in model.state_dict().values())
        assert loaded.new == loaded.unexpected == ()

    @pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module.model.", "model._orig_mod."])
    def test_prefixes_of_wrappers_are_recognised_and_said(self, prefix: str) -> None:
        loaded = load(net(), renamed(net(seed=1).state_dict(), lambda name: prefix + name))
        assert len(loaded.loaded) == loaded.tensors
        assert any("left out" in line for line in loading_lines(loaded))

    def test_the_other_way_round_the_models_own_prefix_is_put_before(self) -> None:
        model = nn.Sequential(OrderedDict(module=net()))
        loaded = load(model, net(seed=1).state_dict())
        assert (len(loaded.loaded), loaded.added) == (loaded.tensors, "module.")

    def test_compiled_parts_in_the_middle_are_recognised(self) -> None:
        state = renamed(Named().state_dict(), lambda name: name.replace("body.", "body._orig_mod."))
        assert len(load(Named(), state).loaded) == 4

    def test_a_body_that_was_saved_alone_is_found_within_the_model(self) -> None:
        loaded = load(Named(), Named().body.state_dict())
        assert (loaded.added, loaded.missing) == ("body.", ("head.weight", "head.bias"))

    def test_a_strange_prefix_is_not_believed_for_a_few_names(self) -> None:
        state = {"x.0.weight": torch.zeros(4, 5)} | {f"y.{place}": torch.zeros(9) for place in range(20)}
        with pytest.raises(ModelError, match="nothing of the weights fits the model"):
            load(net(), state)

    def test_missing_and_unexpected_names_are_told_with_the_nearest(self) -> None:
        state = dict(net().state_dict())
        state["3.wieght"] = state.pop("3.weight")
        loaded = load(net(), state)
        assert (loaded.missing, loaded.unexpected) == (("3.weight",), ("3.wieght",))
        assert loaded.near == {"3.weight": "3.wieght"}
        assert "near: 3.wieght" in "\n".join(loading_lines(loaded))

    def test_matching_changes_nothing(self) -> None:
        model, other = net(), net(seed=1)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        match(model.state_dict(), other.state_dict())
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    def test_half_precision_is_widened_and_integers_are_no_weights(self) -> None:
        state = {
            name: value.half() if value.is_floating_point() else value for name, value in net().state_dict().items()
        }
        assert len(load(net(), state).loaded) == len(state)
        state["3.weight"] = torch.zeros(6, 4, dtype=torch.int8)
        with pytest.raises(ModelError, match="int8 for float32"):
            load(net(), state)

    def test_a_tied_tensor_that_a_file_holds_once_is_not_missing(self) -> None:
        def tied() -> nn.Sequential:
            model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 5, bias=False))
            model[2].weight = model[0].weight
            return model

        state = dict(tied().state_dict())
        del state["2.weight"]
        assert load(tied(), state).missing == ()

    def test_lazy_layers_are_refused_until_their_sizes_are_known(self) -> None:
        with pytest.raises(ModelError, match="lazy layers"):
            load(nn.Sequential(nn.LazyLinear(3)), {"0.weight": torch.zeros(3, 2)})


class TestHead:
    @pytest.mark.parametrize("kind", [net, Named])
    def test_another_number_of_outputs_makes_a_new_head_and_says_so(self, kind: Any) -> None:
        model = kind(outputs=7)
        before = {name: model.state_dict()[name].clone() for name in head_of(model)}
        loaded = load(model, kind(outputs=3).state_dict())
        assert set(loaded.head) == set(before)
        assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
        assert len(loaded.loaded) == loaded.tensors - 2
        assert "new head" in "\n".join(loading_lines(loaded))

    def test_a_head_can_be_made_anew_where_it_would_fit(self) -> None:
        model, other = net(), net(seed=1)
        kept = model.get_parameter("5.weight").detach().clone()
        loaded = load(model, other.state_dict(), head="new")
        assert torch.equal(model.get_parameter("5.weight"), kept)
        assert set(loaded.head) == {"5.weight", "5.bias"}

    def test_another_shape_elsewhere_is_refused_and_nothing_is_changed(self) -> None:
        model = net()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(ModelError, match="of another shape") as caught:
            load(model, net(width=8, outputs=7).state_dict())
        assert "0.weight: (8, 5) there, (4, 5) here" in caught.value.evidence
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

    def test_another_shape_elsewhere_is_left_out_where_that_is_asked_for(self) -> None:
        loaded = load(net(), net(width=8).state_dict(), shapes="any")
        assert {one.name for one in loaded.reshaped} >= {"0.weight", "3.weight"}
        assert "5.weight" in loaded.loaded

    def test_nothing_that_fits_is_an_error_with_examples(self) -> None:
        with pytest.raises(ModelError, match="no weight was loaded") as caught:
            load(net(), {"encoder.attention": torch.zeros(2, 2)})
        assert "'encoder.attention'" in caught.value.evidence

    def test_weights_that_are_not_finite_are_refused(self) -> None:
        state = dict(net().state_dict())
        state["0.weight"] = torch.full((4, 5), torch.nan)
        with pytest.raises(ModelError, match="values that are no numbers"):
            load(net(), state)


class TestFiles:
    @pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "checkpoint.ckpt"])
    def test_weights_are_read_from_files_and_checkpoints(self, name: str, tmp_path: Path) -> None:
        state = net().state_dict()
        if name.endswith(".safetensors"):
            save_file(state, tmp_path / name)
        else:
            inner = {"state_dict": state, "epoch": 3} if name.endswith(".ckpt") else state
            torch.save(inner, tmp_path / name)
        assert read_weights(tmp_path / name).keys() == state.keys()

    def test_a_whole_model_is_refused_and_nothing_in_it_is_run(self, tmp_path: Path) -> None:
        torch.save({"state_dict": net().state_dict(), "hyper": _Loud()}, tmp_path / "model.pt")
        _Loud.made = 0
        with pytest.raises(RunError, match="holds more than weights") as caught:
            read_weights(tmp_path / "model.pt")
        assert "state_dict()" in caught.value.remedy
        assert _Loud.made == 0

    @pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
    @pytest.mark.parametrize("damage", ["cut", "empty", "noise", "text"])
    def test_a_damaged_file_is_refused_with_the_remedy(self, name: str, damage: str, tmp_path: Path) -> None:
        path = tmp_path / name
        state = net().state_dict()
        if name.endswith(".pt"):
            torch.save(state, path)
        else:
            save_file(state, path)
        whole = path.read_bytes()
        path.write_bytes(
            {"cut": whole[: len(whole) // 2], "empty": b"", "noise": bytes(range(256)) * 40, "text": b"a,b\n1,2\n"}[
                damage
            ]
        )
        with pytest.raises(RunError, match="damaged") as caught:
            read_weights(path)
        assert "again" in caught.value.remedy

    def test_a_file_that_is_no_weights_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_text("a,b\n")
        with pytest.raises(UsageError, match="is no file of weights"):
            read_weights(tmp_path / "table.csv")
        torch.save({"epoch": 3, "loss": 0.5}, tmp_path / "facts.pt")
        with pytest.raises(UsageError, match="holds no weights") as caught:
            read_weights(tmp_path / "facts.pt")
        assert "epoch, loss" in caught.value.evidence

    def test_a_file_that_is_not_there_gets_the_nearest_name(self, tmp_path: Path) -> None:
        torch.save(net().state_dict(), tmp_path / "weights.pt")
        with pytest.raises(TrainwrightError) as caught:
            read_weights(tmp_path / "wieghts.pt")
        assert caught.value.remedy == "did you mean 'weights.pt'?"


class _Loud:
    made = 0

    def __init__(self) -> None:
        _Loud.made += 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        _Loud.made += 1
