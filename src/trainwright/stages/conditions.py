"""What a run's exact numbers hang on beside its recipe: the machine, the versions, the data, the form of the model."""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from trainwright import __version__
from trainwright.data.streams import StreamBatches
from trainwright.stages.setup import Setup
from trainwright.tensors import digest

_INSTALLED = ("site-packages", "dist-packages", "torch")
_OURS = Path(__file__).resolve().parents[1]
_SAMPLES = 512
"""Samples that stand for data of which nobody can have the whole: those that a loader makes."""


def conditions(setup: Setup) -> dict[str, Any]:
    """Return what must be the same for the same bits, by the name that it is told by."""
    device = torch.device(setup.recipe.train.device)
    return {
        "trainwright": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": int(setup.recipe.train.threads),
        "devices": distributed.get_world_size() if distributed.is_initialized() else 1,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "precision of float32 products": torch.get_float32_matmul_precision(),
        "cuDNN's search for algorithms": torch.backends.cudnn.benchmark,
        "code": code_of(setup.model, setup.loss),
        "oneDNN": torch.backends.mkldnn.enabled,  # pyright: ignore[reportAttributeAccessIssue]
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words which conditions are not what they were."""
    other = [name for name in now if name in then and then[name] != now[name]]
    said = [f"{name} {then[name]} -> {now[name]}" for name in other if name != "code"]
    if "code" in other:
        files = sorted(
            file for file in {**then["code"], **now["code"]} if then["code"].get(file) != now["code"].get(file)
        )
        said.append(f"the code of {' and '.join(files)} has changed")
    return said


def code_of(model: nn.Module, loss: object) -> dict[str, str]:
    """Return the SHA-256 of every file of the user's own that the network's or the loss's classes are written in.

    Of classes in a program that is run itself, or in a notebook, it is that of their own text: what stands around them
    may well be another call.
    """
    found: dict[str, str] = {}
    for made in {type(module) for module in model.modules()} | {loss if inspect.isfunction(loss) else type(loss)}:
        try:
            file = inspect.getsourcefile(made)
            if file is None or any(part in _INSTALLED for part in Path(file).parts) or _OURS in Path(file).parents:
                continue
            main = made.__module__ == "__main__"
            name = f"{made.__qualname__}" if main else Path(file).name
            text = inspect.getsource(made).encode() if main else Path(file).read_bytes()
        except (OSError, TypeError):  # typed at a prompt, or written in C
            continue
        found[name] = hashlib.sha256(text).hexdigest()
    return dict(sorted(found.items()))


def data_of(setup: Setup) -> dict[str, Any]:
    """Return what tells the data of a run from others: SHA-256 over their content, or over what a loader gave first."""
    splits = {}
    for name, feed in setup.splits.items():
        content = getattr(feed, "digest", None) or digest(dict(zip("xy", feed.take(_SAMPLES), strict=True)))
        splits[name] = {"samples": feed.samples, "loader": isinstance(feed, StreamBatches), "sha256": content}
    return {"fingerprint": setup.facts["data"].get("fingerprint"), "splits": splits}


def form_of(model: nn.Module) -> dict[str, list[Any]]:
    """Return the shape and the type of every parameter and buffer, by name."""
    return {name: [list(value.shape), str(value.dtype)] for name, value in model.state_dict().items()}


def form_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words where two models differ in form: missing, added, of another shape or type."""
    said = [f"{name} is missing" for name in then if name not in now]
    said += [f"{name} is new" for name in now if name not in then]
    return said + [f"{name} {then[name]} -> {now[name]}" for name in now if name in then and then[name] != now[name]]


def _processor() -> str:
    """Return the processor's name and the instructions that torch uses of it."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"
