"""Every network of the catalogue becomes an ONNX file that onnxruntime computes the same with, at any batch size."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from serving_networks import TRIED, network
from torch import nn

from trainwright.ensembles.averaged import Averaged
from trainwright.errors import ModelError, RunError, UsageError
from trainwright.parts.outputs import Form
from trainwright.records import DataShape
from trainwright.records.ensemble import Averaging
from trainwright.serving import onnx_file
from trainwright.serving.comparing import deviation


@pytest.mark.parametrize("case", TRIED)
def test_a_network_computes_the_same_in_onnxruntime(tmp_path: Path, case: str) -> None:
    model, shape = network(case)
    onnx_file.save(model, shape, tmp_path / "m.onnx")
    assert deviation(model, onnx_file.load(tmp_path / "m.onnx"), shape, "ONNX") < 1e-5
    assert logging.getLogger("torch.onnx").level == logging.NOTSET


def test_the_table_network_computes_the_same_for_huge_inputs(tmp_path: Path) -> None:
    model, shape = network("table of columns")
    onnx_file.save(model, shape, tmp_path / "m.onnx")
    x = torch.tensor([[1e30, 0, 1, 0, -1e30, 0, 1e-30]])  # whose squares a 32-bit number cannot hold
    with torch.no_grad():
        assert torch.allclose(onnx_file.load(tmp_path / "m.onnx")(x), model(x), atol=1e-4)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
def test_several_members_are_one_file_that_answers_as_their_average(tmp_path: Path, average: Averaging) -> None:
    members = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(3)]
    model = Averaged(
        members,
        (0.5, 0.3, 0.2),
        Form(task="classification"),
        average=average,
        temperature=0.4,
        order=((), (2, 0, 1), ()),
    ).eval()
    shape = DataShape(input_shape=(4,), outputs=3, task="classification")
    onnx_file.save(model, shape, tmp_path / "m.onnx")
    assert deviation(model, onnx_file.load(tmp_path / "m.onnx"), shape, "ONNX") < 1e-5


@pytest.mark.parametrize(
    ("missing", "message"), [(["onnxscript"], "onnxscript"), (["onnx", "onnxruntime"], "onnx and onnxruntime")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: list[str], message: str
) -> None:
    real = importlib.util.find_spec

    def find(name: str, *arguments: Any) -> Any:
        return None if name in missing else real(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    model, shape = network("mlp of columns")
    with pytest.raises(UsageError, match=rf"{message}(.|\n)*trainwright\[onnx\]"):
        onnx_file.save(model, shape, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no network"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        onnx_file.load(tmp_path / "m.onnx")


class Exotic(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.i1(x)


def test_an_operation_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="bessel_i1"):
        onnx_file.save(Exotic(), DataShape(input_shape=(2,), outputs=2, task="regression"), tmp_path / "m.onnx")
