"""Networks and weights of other libraries, where they are installed: timm's, and those of Hugging Face transformers.

Neither is a dependency: `pip install trainwright[transfer]` brings both. Nothing that a model's folder brings is run
(`trust_remote_code` stays off).
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from trainwright.errors import ModelError, RunError, UsageError, nearest
from trainwright.records import DataShape

TIMM, HUGGING_FACE = "timm:", "hf:"


def timm_network(shape: DataShape, timm: str) -> nn.Module:
    """Return timm's network of this name for images `(channels, h, w)` and so many outputs, with random weights."""
    _check_images(shape, TIMM + timm)
    return _timm_model(timm, pretrained=False, num_classes=shape.outputs, in_chans=shape.input_shape[0])


def hf_network(shape: DataShape, hf: str) -> nn.Module:
    """Return the image classifier of a Hugging Face folder or name, made for so many outputs, with random weights.

    It gives logits `(N, outputs)`.
    """
    _check_images(shape, HUGGING_FACE + hf)
    transformers = _library("transformers")
    config = _asked(hf, lambda: transformers.AutoConfig.from_pretrained(hf))
    config.num_labels = shape.outputs
    return Logits(_asked(hf, lambda: transformers.AutoModelForImageClassification.from_config(config)))


class Logits(nn.Module):
    """A Hugging Face model that gives its logits alone: `(N, ...)` to `(N, outputs)`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits for inputs `x`."""
        return self.model(x).logits


def timm_weights(name: str, *, channels: int | None = None) -> dict[str, torch.Tensor]:
    """Return the trained weights of timm's model `name`; its first layer made for `channels` by timm's own rule."""
    more = {} if channels is None else {"in_chans": channels}
    return _tensors(_timm_model(name, pretrained=True, **more))


def hf_weights(name: str) -> dict[str, torch.Tensor]:
    """Return the weights of a Hugging Face folder or name, with the head that they were saved with."""
    transformers = _library("transformers")
    config = _asked(name, lambda: transformers.AutoConfig.from_pretrained(name))
    saved = next(iter(config.architectures or ()), "AutoModel")
    kind = getattr(transformers, saved, transformers.AutoModel)
    return _tensors(_asked(name, lambda: kind.from_pretrained(name)))


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.state_dict().items() if isinstance(value, torch.Tensor)}


def _timm_model(name: str, **settings: Any) -> nn.Module:
    timm = _library("timm")
    known = name.startswith(("hf-hub:", "hf_hub:", "local-dir:")) or timm.is_model(name)
    if not known:
        guess = nearest(name, timm.list_models())
        raise UsageError(
            f"timm has no model '{name}'",
            remedy=f"did you mean '{guess}'?" if guess else "timm.list_models() lists them",
        )
    return _asked(name, lambda: timm.create_model(name, **settings))


def _asked(name: str, ask: Any) -> Any:
    """Return what a library gives, its own errors as ours: no network, no such name, no such file."""
    try:
        return ask()
    except (OSError, RuntimeError, ValueError, KeyError, ImportError) as problem:
        words = str(problem).strip().splitlines()
        raise RunError(
            f"'{name}' cannot be loaded",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="check the name, or the folder, and whether it can be reached from here",
        ) from problem


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        raise UsageError(
            f"to start from such a model takes {name}, which is not installed",
            evidence=str(problem),
            remedy="pip install 'trainwright[transfer]'",
        ) from None
    except Exception as problem:  # one that is installed, and does not fit the rest
        words = str(problem).strip().splitlines()
        raise UsageError(
            f"{name} is installed, and cannot be imported",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy=f"install versions of {name}, torch and torchvision that fit one another",
        ) from problem


def _check_images(shape: DataShape, asked: str) -> None:
    if len(shape.input_shape) != 3:
        raise ModelError(
            f"{asked} is taken for a network of images, and the samples are none",
            evidence=f"they are of shape {shape.input_shape}",
            remedy="name a network of your own as model.name; model.start then gives it the weights",
        )
