"""Which operation made a number that is not finite: read from the graph of the loss, before it is let go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from trainwright.vitals.frames import node_frame
from trainwright.vitals.output_graph import name_of
from trainwright.watching.places import Place

_NODES = 20_000
_SAVED_INPUTS = ("_saved_self", "_saved_other", "_saved_input", "_saved_mat1", "_saved_mat2", "_saved_weight")
_DOMAINS = {
    "Log": lambda node: bool((node._saved_self <= 0).any()),
    "Log2": lambda node: bool((node._saved_self <= 0).any()),
    "Log10": lambda node: bool((node._saved_self <= 0).any()),
    "Log1p": lambda node: bool((node._saved_self <= -1).any()),
    "Div": lambda node: node._saved_other is not None and bool((node._saved_other == 0).any()),
}
_NAMES = {"Log": "log", "Div": "div", "Exp": "exp", "Sqrt": "sqrt", "Pow": "pow", "Rsqrt": "rsqrt"}


def bad_operation(loss: torch.Tensor, roots: Iterable[nn.Module], place: Place | None) -> dict[str, object]:
    """Return the detail of a "non-finite" event: phase, operation, module, parameter, file, line, each possibly None.

    Walks back from the loss to the first operation whose result is not finite while all that went in is, as far as the
    graph has kept what went in and came out.
    """
    detail: dict[str, object] = {"operation": None, "module": None, "parameter": None, "file": None, "line": None}
    if place is not None:
        detail["file"], detail["line"] = place
    for root in roots:
        for name, parameter in root.named_parameters():
            if not bool(torch.isfinite(parameter.detach()).all()):
                return {"phase": "weights", **detail, "parameter": name}
    order = _order(loss.grad_fn)
    for node in reversed(order):  # from the inputs on
        kind = name_of(node)
        given = _bad(node, _SAVED_INPUTS)
        if given is True:
            continue  # the trouble came in from before: its maker is further back, or an input
        made = _bad(node, ("_saved_result",))
        domain = _DOMAINS.get(kind)
        try:
            outside = domain is not None and domain(node)
        except (AttributeError, RuntimeError, TypeError):
            outside = False
        if made or outside:
            file, line = node_frame(node, 0)
            if file is not None:
                detail["file"], detail["line"] = file, line
            return {"phase": "forward", **detail, "operation": _NAMES.get(kind, kind.lower())}
    inputs = any(_bad(node, _SAVED_INPUTS) for node in order)
    return {"phase": "input" if inputs else "unknown", **detail}


def _order(node: Any) -> list[Any]:
    """Return the nodes behind `node`, each before those that it was computed from."""
    order, queue, seen = [], [node], set()
    while queue and len(order) < _NODES:
        node = queue.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        order.append(node)
        queue += [earlier for earlier, _ in node.next_functions]
    return order


def _bad(node: Any, names: Iterable[str]) -> bool | None:
    """Say whether a tensor that a node has kept is not finite; None where it has kept none."""
    known = None
    for name in names:
        try:
            value = getattr(node, name, None)
        except RuntimeError:  # let go already
            continue
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            known = known or not bool(torch.isfinite(value).all())
    return known
