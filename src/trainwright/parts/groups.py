"""Which parameters decay and at which rate each trains: every parameter exactly once, and shown as a table.

Biases and the parameters of normalisation layers should not decay (G3), and parts of a pretrained model train at rates
of their own (G3). Names miss a normalisation called `scale`, and counting dimensions misses a tied weight or a
two-dimensional gain; the type of the module that owns a parameter does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from trainwright import defaults
from trainwright.errors import ModelError, UsageError
from trainwright.parts.catalogue import option_problem
from trainwright.parts.head_and_body import with_nicknames
from trainwright.parts.optimizer_layers import layers_of
from trainwright.parts.optimizer_rates import deciding_patterns
from trainwright.parts.optimizer_roles import roles_of
from trainwright.records import Option

OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "layer_decay": Option(
            default=defaults.LAYER_DECAY.value,
            minimum=0.0,
            maximum=1.0,
            meaning=defaults.LAYER_DECAY.meaning,
            source=f"{defaults.LAYER_DECAY.source}; {defaults.LAYER_DECAY.disagreement}",
            minimum_excluded=True,
        )
    }
)
"""What stands beside any optimizer's own options."""

_KINDS = ("hidden weights", "other weights", "no decay")
_ALIKE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One parameter: its name, shape, whether it decays, and why or why not.

    `rate` is the multiple of the learning rate at which it trains; at 0 it is frozen, and in no group ("").
    """

    name: str
    shape: tuple[int, ...]
    decays: bool
    reason: str
    rate: float = 1.0
    group: str = ""


def decay_table(
    model: nn.Module,
    *,
    layer_decay: float = 1.0,
    rates: Mapping[str, float] = _ALIKE,
    frozen: Collection[str] = (),
) -> list[GroupRow]:
    """Return a row for each parameter of `model`, each parameter once (a tied one under its first name).

    Layer number i of L, counted from the input, trains at `layer_decay` ** (L - i) times the learning rate, so that the
    last one keeps it; `optimizer_layers.layers_of` says what a layer is. `rates` maps patterns of names to further
    multiples of the rate, 0 to freeze; `optimizer_rates` says what a pattern is, and that the last one that covers a
    parameter decides. "head" and "body" are nicknames of the last layer and all before it, where the model has no parts
    of these names. `frozen` names parameters that are frozen besides.

    Raises `UsageError` on a pattern that covers nothing or decides nothing, on a negative multiple, and on a
    `layer_decay` that is not above 0 and at most 1.
    """
    problem = option_problem("layer_decay", layer_decay, OPTIONS["layer_decay"])
    if problem is not None:
        raise UsageError(problem)
    roles = roles_of(model)
    patterns = deciding_patterns(with_nicknames(model, {name: role.names for name, role in roles.items()}), rates)
    layers = layers_of(model) if layer_decay != 1 else []
    places = {id(parameter): place for place, layer in enumerate(layers, start=1) for parameter in layer}
    rows = []
    for name, parameter in model.named_parameters():  # yields a tied parameter once
        role, pattern, place = roles[name], patterns.get(name), places.get(id(parameter))
        multiple = 1.0 if pattern is None else float(rates[pattern])
        shape = tuple(parameter.shape)
        if not parameter.requires_grad or multiple == 0 or name in frozen:
            reason = f"frozen: rate 0 for '{pattern}'" if parameter.requires_grad else "frozen: requires_grad = False"
            if name in frozen and multiple != 0:
                reason = "frozen: train.freeze"
            rows.append(GroupRow(name=name, shape=shape, decays=False, reason=reason, rate=0.0))
            continue
        title = [_KINDS[2] if not role.decays else _KINDS[0] if role.hidden else _KINDS[1]]
        rate = multiple
        if place is not None:
            rate *= layer_decay ** (len(layers) - place)
            title.append(f"layer {place} of {len(layers)}")
        if pattern is not None and multiple != 1:
            title.append(pattern)
        rows.append(
            GroupRow(name=name, shape=shape, decays=role.decays, reason=role.reason, rate=rate, group=", ".join(title))
        )
    return rows


def parameter_groups(
    model: nn.Module,
    weight_decay: float,
    *,
    lr: float | None = None,
    layer_decay: float = 1.0,
    rates: Mapping[str, float] = _ALIKE,
    frozen: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return the optimizer's groups, as `decay_table` divides the parameters of `model`. No group is empty.

    Each has its `params`, its `weight_decay` (0 where the group does not decay), its `lr` (`lr` times its multiple), a
    `name`, and `hidden`: whether it holds hidden matrices and kernels alone, which Muon trains in its own way. Frozen
    parameters are in no group, so that no optimizer can move them, be it by momentum, by decay or by a zero gradient.
    Groups that train at `lr` itself come first, then the others by falling rate.

    Without `lr` the groups have no rate of their own and take the optimizer's; no part may have another then. Raises
    `ModelError` where there is nothing to train, and `UsageError` as `decay_table` does.
    """
    rows = decay_table(model, layer_decay=layer_decay, rates=rates, frozen=frozen)
    trained = [row for row in rows if row.rate > 0]
    if not trained:
        raise _nothing_to_train(model, rows)
    if lr is None and any(row.rate != 1 for row in trained):
        raise UsageError("rates for parts of the model need the learning rate that they are multiples of")
    parameters = dict(model.named_parameters())
    groups: dict[str, dict[str, Any]] = {}
    trained.sort(key=lambda row: (row.rate != 1, -row.rate, _KINDS.index(row.group.split(",")[0])))
    for row in trained:
        if row.group not in groups:
            groups[row.group] = {
                "params": [],
                "weight_decay": weight_decay if row.decays else 0.0,
                **({} if lr is None else {"lr": lr * row.rate}),
                "name": row.group,
                "hidden": row.group.startswith(_KINDS[0]),
            }
        groups[row.group]["params"].append(parameters[row.name])
    return list(groups.values())


def _nothing_to_train(model: nn.Module, rows: Sequence[GroupRow]) -> ModelError:
    total = sum(parameter.numel() for parameter in model.parameters())
    by_rate = any("rate 0" in row.reason or "train.freeze" in row.reason for row in rows)
    how = "frozen by train.freeze, or by a rate of 0" if by_rate else "with requires_grad = False"
    return ModelError(
        "the model has no trainable parameter",
        evidence=f"{total} parameters, all {how}" if total else "it has no parameters at all",
        remedy="leave at least one part to learn, such as the head: train.freeze = ['body']"
        if by_rate
        else "unfreeze at least one layer; layers kept in a plain list or dict must be in nn.ModuleList or "
        "nn.ModuleDict to be found",
    )


def render_table(rows: Sequence[GroupRow]) -> str:
    """Return the table as aligned text: parameter, shape, decays, rate (a multiple), group, reason."""
    header = ("parameter", "shape", "decays", "rate", "group", "reason")
    body = [
        (
            row.name,
            "x".join(map(str, row.shape)) or "scalar",
            "yes" if row.decays else "no",
            f"x{row.rate:.4g}" if row.rate else "frozen",
            row.group or "-",
            row.reason,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [header, *body]) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *body]
    )
