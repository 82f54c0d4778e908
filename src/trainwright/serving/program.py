"""A network as a program of torch.export: traced once, run without the code that made it."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.errors import ModelError, RunError
from trainwright.records import DataShape
from trainwright.serving.comparing import samples

NAME = "model.pt2"


def dynamic_shapes(shape: DataShape) -> tuple[dict[int, Any]]:
    """Return which sizes of the input may change: the batch's, and of tokens the length up to the context."""
    sizes = {0: torch.export.Dim("batch", min=1)}
    if shape.vocabulary is not None and shape.input_shape[0] > 1:
        sizes[1] = torch.export.Dim("length", min=1, max=shape.input_shape[0])
    return (sizes,)


def traced(network: nn.Module, shape: DataShape) -> torch.export.ExportedProgram:
    """Return the network as a program. Raises `ModelError` where its computation cannot be traced."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer's own insides
            return torch.export.export(network, (samples(shape, 2),), dynamic_shapes=dynamic_shapes(shape))
    except Exception as problem:  # the tracer raises whatever its layers do
        words = str(problem).strip().splitlines()
        raise ModelError(
            "the network's computation cannot be traced by torch.export",
            evidence=f"{type(problem).__name__}: {words[0][:300] if words else ''}",
            remedy="export to safetensors; or write its forward without branches on values and fixed batch sizes",
        ) from problem


def save(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program without its example inputs, which torch would pickle; nothing in the file is pickled then."""
    program.example_inputs = None  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, path)
    check_unpickled(path)


def load(path: Path) -> nn.Module:
    """Return the network of a file that `save` wrote. Raises `RunError` where it is damaged, or holds a pickle."""
    check_unpickled(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _Program(torch.export.load(path).module())
    except Exception as problem:  # a damaged archive can fail in any way
        words = str(problem).strip().splitlines()
        raise _damaged(path, f"{type(problem).__name__}: {words[0][:200] if words else ''}") from problem


def check_unpickled(path: Path) -> None:
    """Raise `RunError` where a program's file holds what torch would unpickle: that could run any code."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = [
                info.filename
                for info in archive.infolist()
                if ("/sample_inputs/" in info.filename and info.file_size > 0)
                or (info.filename.endswith("_config.json") and _pickles(json.loads(archive.read(info))))
            ]
    except (OSError, ValueError, zipfile.BadZipFile) as problem:
        raise _damaged(path, str(problem)) from None
    if pickled:
        raise RunError(
            f"{path} holds pickled objects, which are not read: unpickling a file can run any code",
            evidence=", ".join(pickled[:3]),
            remedy="export the run again with trainwright, or export it to safetensors",
        )


def _pickles(config: Any) -> bool:
    """Say whether any part of a configuration, at any depth, says `use_pickle`, or is an object of another kind."""
    if isinstance(config, dict):
        return any(
            (key == "use_pickle" and value is not False)
            or (key == "path_name" and str(value).startswith(("custom_obj", "opaque")))
            or _pickles(value)
            for key, value in config.items()
        )
    return isinstance(config, list) and any(map(_pickles, config))


def _damaged(path: Path, evidence: str) -> RunError:
    return RunError(f"{path} is damaged, or no program", evidence=evidence, remedy="export the run again")


class _Program(nn.Module):
    """A program as a module whose mode can be set: it computes as in evaluation, whatever its mode."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self._run = [program]  # in a list: a program refuses eval(), and its weights are no one's to train

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._run[0](x)
