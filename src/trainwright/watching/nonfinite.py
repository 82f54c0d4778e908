"""Which operation made a number that is not finite: read from the graph of the loss, before it is let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from trainwright.vitals.frames import node_frame
from trainwright.vitals.output_graph import name_of
from trainwright.watching.places import Place

_NODES = 20_000
_SAVED_INPUTS = {
    "_saved_self": 0,
    "_saved_input": 0,
    "_saved_other": 1,
    "_saved_mat1": 1,
    "_saved_mat2": 1,
    "_saved_weight": 1,
    "_saved_target": 1,
}
"""What a node keeps of what went in, and at which of its places it came in."""
_PLACES = {("Addmm", "_saved_mat2"): 2, ("Addbmm", "_saved_batch2"): 2}
_DOMAINS = {
    "Log": lambda node: bool((node._saved_self <= 0).any()),
    "Log2": lambda node: bool((node._saved_self <= 0).any()),
    "Log10": lambda node: bool((node._saved_self <= 0).any()),
    "Log1p": lambda node: bool((node._saved_self <= -1).any()),
    "Div": lambda node: node._saved_other is not None and bool((node._saved_other == 0).any()),
}
_NAMES = {"Log": "log", "Div": "div", "Exp": "exp", "Sqrt": "sqrt", "Pow": "pow", "Rsqrt": "rsqrt"}
_PASSING = ("Relu", "LeakyRelu", "Threshold", "View", "UnsafeView", "Reshape", "T", "Transpose", "Permute", "Unsqueeze")
_PASSING += ("Squeeze", "Expand", "Clone", "Select", "Slice", "ToCopy", "Dropout", "Alias")
"""Operations whose result is finite wherever what went in was: what shows in theirs was made before."""


def bad_operation(loss: torch.Tensor, roots: Iterable[nn.Module], place: Place | None) -> dict[str, object]:
    """Return the detail of a "non-finite" event: phase, operation, module, parameter, file, line, each possibly None.

    Walks from what the loss was computed from to the first operation whose result is not finite while all that went in
    is, as far as the graph has kept what went in and came out. Where it came in from outside, `samples` counts the rows
    of that batch that hold such a value, `rows` is their number, and `row` is the place of the first.
    """
    detail: dict[str, object] = {"operation": None, "module": None, "parameter": None, "file": None, "line": None}
    if place is not None:
        detail["file"], detail["line"] = place
    for root in roots:
        for name, parameter in root.named_parameters():
            if not bool(torch.isfinite(parameter.detach()).all()):
                return {"phase": "weights", **detail, "parameter": name}
    for node in _from_the_inputs(loss.grad_fn):
        given = next(_bad_inputs(node), None)
        if given is not None:
            name, value, source = given
            if source is None:
                return {"phase": "target" if name == "_saved_target" else "input", **detail, **_rows(value)}
            return {"phase": "forward", **_at(source, detail)}
        made = _bad(node, "_saved_result")
        domain = _DOMAINS.get(name_of(node))
        try:
            outside = domain is not None and domain(node)
        except (AttributeError, RuntimeError, TypeError):
            outside = False
        if outside:
            return {"phase": "forward", **_at(node, detail)}
        if made is not None:
            maker = _maker(node)
            # Without a maker it came in as it is: no operation of the graph has made it.
            outer = {"phase": "input", **detail, **_rows(made)}
            return outer if maker is None else {"phase": "forward", **_at(maker, detail)}
    return {"phase": "unknown", **detail}


def _at(node: Any, detail: dict[str, object]) -> dict[str, object]:
    kind = name_of(node)
    file, line = node_frame(node, 0)
    place = {} if file is None else {"file": file, "line": line}
    return {**detail, **place, "operation": _NAMES.get(kind, kind.lower())}


def _rows(value: torch.Tensor) -> dict[str, object]:
    """Return which rows of a batch are not finite."""
    if value.dim() == 0:
        return {}
    bad = (~torch.isfinite(value.detach())).reshape(len(value), -1).any(dim=1).nonzero().reshape(-1)
    return {"samples": len(bad), "rows": len(value), "row": int(bad[0])}


def _maker(node: Any) -> Any:
    """Return the operation behind those that only pass on; None where there is none."""
    while node is not None and name_of(node) in _PASSING:
        node = node.next_functions[0][0] if node.next_functions else None
    return None if node is None or name_of(node) == "AccumulateGrad" else node


def _bad_inputs(node: Any) -> Iterator[tuple[str, torch.Tensor, Any]]:
    """Yield what went into a node and is not finite, with the operation that made it; None for one from outside."""
    for name, at in _SAVED_INPUTS.items():
        value = _bad(node, name)
        if value is not None:
            at = _PLACES.get((name_of(node), name), at)
            sources = node.next_functions
            yield name, value, _maker(sources[at][0]) if at < len(sources) else None


def _from_the_inputs(node: Any) -> Iterator[Any]:
    """Yield the nodes behind `node`, each after all those that it was computed from."""
    seen: set[Any] = {node}
    stack: list[tuple[Any, Iterator[Any]]] = [(node, iter(node.next_functions))] if node is not None else []
    while stack:
        current, earlier = stack[-1]
        following = next((other for other, _ in earlier if other is not None and other not in seen), None)
        if following is None or len(seen) >= _NODES:
            stack.pop()
            yield current
            continue
        seen.add(following)
        stack.append((following, iter(following.next_functions)))


def _bad(node: Any, name: str) -> torch.Tensor | None:
    """Return a tensor that a node has kept, where it is not finite."""
    try:
        value = getattr(node, name, None)
    except RuntimeError:  # let go already
        return None
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return None
    return None if bool(torch.isfinite(value).all()) else value
