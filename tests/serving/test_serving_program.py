"""Every network of the catalogue goes through torch.export and back, and nothing on the way is pickled."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from serving_networks import TRIED, network
from torch import nn

from trainwright.errors import ModelError, RunError
from trainwright.records import DataShape
from trainwright.serving import program
from trainwright.serving.comparing import deviation, samples

COLUMNS = DataShape(input_shape=(4,), outputs=2, task="regression")


@pytest.mark.parametrize("case", TRIED)
def test_a_network_comes_back_as_it_was(tmp_path: Path, case: str) -> None:
    model, shape = network(case)
    program.save(program.traced(model, shape), tmp_path / "m.pt2")
    assert deviation(model, program.load(tmp_path / "m.pt2"), shape, "torch.export") < 1e-6
    assert not model.training


def test_nothing_in_the_file_is_a_pickle_and_nothing_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, shape = network("gpt-2")
    program.save(program.traced(model, shape), tmp_path / "m.pt2")
    with zipfile.ZipFile(tmp_path / "m.pt2") as archive:
        assert not [info for info in archive.infolist() if info.filename.endswith(".pt") and info.file_size]

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    program.load(tmp_path / "m.pt2")


def test_a_file_with_a_pickle_is_refused_before_torch_sees_it(tmp_path: Path) -> None:
    model, shape = network("mlp of columns")
    traced = program.traced(model, shape)  # with its example inputs, as torch itself would write it
    torch.export.save(traced, tmp_path / "m.pt2")
    with pytest.raises(RunError, match="holds pickled objects"):
        program.load(tmp_path / "m.pt2")
    program.save(traced, tmp_path / "n.pt2")
    out = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "n.pt2") as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, content.replace(b'"use_pickle": false', b'"use_pickle": true', 1))
    (tmp_path / "p.pt2").write_bytes(out.getvalue())
    with pytest.raises(RunError, match="holds pickled objects"):
        program.load(tmp_path / "p.pt2")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 half of one"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pt2").write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        program.load(tmp_path / "m.pt2")


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2] if float(x.detach().sum()) > 0 else -x[:, :2]


class Frozen(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 4)[:, :2]


@pytest.mark.parametrize("model", [Branching(), Frozen()])
def test_a_network_that_cannot_be_traced_is_refused(model: nn.Module) -> None:
    with pytest.raises(ModelError, match="cannot be traced"):
        program.traced(model, COLUMNS)


def test_another_computation_another_shape_and_nan_are_no_agreement() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    assert deviation(double, lambda x: x + x, COLUMNS, "other") == 0
    for other in (lambda x: 2.001 * x, lambda x: 2 * x[:1], lambda x: x * torch.nan):
        with pytest.raises(RunError, match="something else"):
            deviation(double, other, COLUMNS, "other")
    with pytest.raises(RunError, match=r"cannot take a batch of the shape \(5, 4\)"):
        deviation(double, lambda x: 2 * x if len(x) < 5 else 1 // 0 * x, COLUMNS, "other")
    assert torch.equal(samples(COLUMNS, 3), samples(COLUMNS, 3))
