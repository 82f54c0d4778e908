"""A network as an ONNX file, for programs without torch; onnxruntime is what checks it, and what runs it here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.errors import ModelError, RunError, UsageError
from trainwright.records import DataShape
from trainwright.serving.comparing import samples
from trainwright.serving.program import dynamic_shapes

NAME = "model.onnx"
INPUT, OUTPUT = "x", "output"
"""What the file calls its input and its output."""


def check_installed(*, writing: bool = True) -> None:
    """Raise `UsageError`, naming the extra, where what is needed to write (or else to run) ONNX is not installed."""
    import importlib.util

    needed = ("onnx", "onnxscript", "onnxruntime") if writing else ("onnxruntime",)
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            remedy="pip install 'trainwright[onnx]'; or export to safetensors or torch",
        )


def save(network: nn.Module, shape: DataShape, path: Path) -> None:
    """Write the network as ONNX, its batch dimension dynamic, and of tokens their number up to the context.

    Raises `ModelError` where ONNX lacks one of its operations, `UsageError` where what is needed is not installed.
    """
    check_installed()
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (samples(shape, 2),),
                dynamo=True,
                dynamic_shapes=dynamic_shapes(shape),
                input_names=[INPUT],
                output_names=[OUTPUT],
                custom_translation_table=_further(),
                verbose=False,
            )
            assert program is not None  # as it is with dynamo
            program.save(str(path))
    except Exception as problem:  # the exporter raises whatever its layers do
        words = [line for line in str(problem).strip().splitlines() if "No ONNX function" in line]
        first = next(iter(str(problem).strip().splitlines()), "")
        raise ModelError(
            "the network cannot be written as ONNX",
            evidence=f"{type(problem).__name__}: {(words or [first])[0][:300]}",
            remedy="export to torch or to safetensors",
        ) from problem


def load(path: Path) -> nn.Module:
    """Return the network of an ONNX file as a module that computes by onnxruntime, on the CPU.

    Raises `RunError` where the file is damaged, `UsageError` where onnxruntime is not installed.
    """
    check_installed(writing=False)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone: they are raised, too
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # of onnxruntime's own classes
        words = str(problem).strip().splitlines()
        raise RunError(
            f"{path} is damaged, or no ONNX file",
            evidence=words[0][:200] if words else type(problem).__name__,
            remedy="export the run again",
        ) from None
    return _Session(session)


class _Session(nn.Module):
    """A session of onnxruntime with the face of a module."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (output,) = self._session.run(None, {INPUT: x.detach().cpu().numpy()})
        return torch.from_numpy(output)


def _further() -> dict[Any, Any]:
    """Return the operations of the catalogue's networks that the exporter has no translation for."""
    import onnxscript

    op: Any = onnxscript.opset18  # its own types know no value that is traced

    def hypot(x: Any, y: Any) -> Any:
        larger, smaller = op.Max(op.Abs(x), op.Abs(y)), op.Min(op.Abs(x), op.Abs(y))
        zero, one = op.CastLike(0.0, x), op.CastLike(1.0, x)
        ratio = op.Div(smaller, op.Where(op.Equal(larger, zero), one, larger))  # so that no square overflows
        return op.Mul(larger, op.Sqrt(op.Add(op.Mul(ratio, ratio), one)))

    return {torch.ops.aten.hypot.default: hypot, torch.ops.prims.hypot.default: hypot}


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to itself what the exporter says of its own insides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
