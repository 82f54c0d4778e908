"""Which parameters decay: decided by the module that owns them, each parameter exactly once, and shown as a table.

Biases and the parameters of normalisation layers should not decay (G3). Names miss a normalisation called `scale`, and
counting dimensions misses a tied weight or a two-dimensional gain; the owning module's type does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from trainwright.errors import ModelError
from trainwright.tensors import is_normalisation


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One trainable parameter: its name, shape, whether it decays, and why or why not."""

    name: str
    shape: tuple[int, ...]
    decays: bool
    reason: str


def decay_table(model: nn.Module) -> list[GroupRow]:
    """Return a row for each trainable parameter of `model`, each parameter once (a tied one under its first name)."""
    owners = {
        f"{path}.{name}" if path else name: module
        for path, module in model.named_modules(remove_duplicate=False)
        for name, _ in module.named_parameters(recurse=False, remove_duplicate=False)
    }
    rows = []
    for name, parameter in model.named_parameters():  # yields a tied parameter once
        if not parameter.requires_grad:
            continue
        decays, reason = _judge(owners[name], name.rpartition(".")[2], parameter.dim())
        rows.append(GroupRow(name=name, shape=tuple(parameter.shape), decays=decays, reason=reason))
    return rows


def _judge(owner: nn.Module, name: str, dimensions: int) -> tuple[bool, str]:
    if is_normalisation(owner):
        return False, f"normalisation ({type(owner).__name__})"
    if "bias" in name.split("_"):  # `in_proj_bias`, `bias_ih_l0`, but not `unbiased`
        return False, "bias"
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return False, "embedding"
    if dimensions < 2:
        return False, f"{dimensions}-dimensional"
    return True, f"weight ({type(owner).__name__})"


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the optimizer's groups: what decays by `weight_decay`, and what does not. Empty groups are left out.

    Raises `ModelError` where the model has nothing to train.
    """
    rows = decay_table(model)
    if not rows:
        total = sum(parameter.numel() for parameter in model.parameters())
        raise ModelError(
            "the model has no trainable parameter",
            evidence=f"{total} parameters, all with requires_grad = False" if total else "it has no parameters at all",
            remedy="unfreeze at least one layer; layers kept in a plain list or dict must be in nn.ModuleList or "
            "nn.ModuleDict to be found",
        )
    parameters = dict(model.named_parameters())
    groups = []
    for decays, decay in ((True, weight_decay), (False, 0.0)):
        members = [parameters[row.name] for row in rows if row.decays is decays]
        if members:
            groups.append({"params": members, "weight_decay": decay})
    return groups


def render_table(rows: Sequence[GroupRow]) -> str:
    """Return the table as aligned text: parameter, shape, decays, reason."""
    header = ("parameter", "shape", "decays", "reason")
    body = [(row.name, "x".join(map(str, row.shape)), "yes" if row.decays else "no", row.reason) for row in rows]
    widths = [max(len(line[column]) for line in [header, *body]) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *body]
    )
