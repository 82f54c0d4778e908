"""Dropout in the model: how strong it is, and whether batch normalisation comes behind it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.checks.check import Skip
from trainwright.checks.stillness import BATCH_NORMS
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_start import DROPOUT_BEFORE_BATCH_NORM, DROPOUT_TOO_STRONG
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.tensors import evaluating

STRONG = 0.9
_DROPOUTS = nn.modules.dropout._DropoutNd
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Identity, nn.Flatten)
_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


def _dropouts(model: nn.Module) -> dict[str, float]:
    found = {}
    for path, module in model.named_modules():
        p = module.p if isinstance(module, _DROPOUTS) else None
        if p is None and isinstance(module, nn.RNNBase | nn.MultiheadAttention):
            p = module.dropout
        if isinstance(p, int | float) and p > 0:
            found[path] = float(p)
    if not found:
        raise Skip("there is no dropout")
    return found


def dropout_too_strong(subject: Subject) -> Finding | None:
    """Find dropout that leaves a tenth or less."""
    path, p = max(_dropouts(subject.model).items(), key=lambda entry: entry[1])
    if p < STRONG:
        return None
    return DROPOUT_TOO_STRONG.finding(
        where=Location(module=path),
        evidence=(Evidence(name="share that is dropped (p)", value=p, threshold=STRONG),),
        remedies=(Remedy(text=f"where {p:g} was meant as the share to keep, take p = {1 - p:.2g}; else 0.1 to 0.5"),),
    )


def dropout_before_norm(subject: Subject) -> Finding | None:
    """Follow what dropout gives, through an activation and one layer of weights at most, into a batch norm."""
    model = subject.model
    if not any(isinstance(module, BATCH_NORMS) for module in model.modules()):
        raise Skip("there is no batch normalisation")
    _dropouts(model)
    behind: dict[int, tuple[str, int]] = {}  # id of a tensor -> the dropout it comes from, layers of weights since
    kept: list[Any] = []  # keeps the tensors alive, so that no id is used twice
    found: list[tuple[str, str]] = []
    paths = {id(module): path for path, module in model.named_modules()}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        came = behind.get(id(inputs[0])) if inputs else None
        if isinstance(module, BATCH_NORMS) and came is not None:
            found.append((came[0], paths[id(module)]))
        entry: tuple[str, int] | None = None
        if isinstance(module, _DROPOUTS) and module.p > 0:
            entry = (paths[id(module)], 0)
        elif came is not None and isinstance(module, _ACTIVATIONS):
            entry = came
        elif came is not None and isinstance(module, _LAYERS) and came[1] == 0:
            entry = (came[0], 1)
        if entry is not None and isinstance(output, torch.Tensor):
            # In evaluation mode dropout gives its own input back; what enters the next layer is that tensor.
            behind[id(output)] = entry
            kept.append(output)

    hooks = [m.register_forward_hook(hook) for m in model.modules() if not list(m.children())]
    try:
        with evaluating(model), torch.no_grad():
            subject.output()
    finally:
        for handle in hooks:
            handle.remove()
    if not found:
        return None
    dropout, norm = found[0]
    return DROPOUT_BEFORE_BATCH_NORM.finding(
        where=Location(module=dropout),
        evidence=(Evidence(name=f"{dropout} feeds {norm}; such places", value=len(found)),),
        remedies=(Remedy(text="move dropout behind the last batch normalisation, or leave it out"),),
    )
