"""Losses that are written by hand, as the graph behind the first of them shows: what is multiplied and subtracted.

Read from the loss backwards, through what only averages, adds up or turns the sign, to the first operation that means
something. Exact: shapes, saved values and nodes of autograd; where anything else is met nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from trainwright.vitals.output_graph import SAME_NUMBERS, name_of
from trainwright.watching.places import making_line
from trainwright.watching.sightings import Sightings

_FEWEST = 2  # samples
_MOST = 48  # nodes of one loss that are looked at
_NEAR = 1e-4  # rounding of float32
_LINEAR = ("Mean", "Sum", "Neg", "ToCopy")
_ELEMENTWISE = (*_LINEAR, "Pow", "Abs", "Div", "Mul", "Add", "Sub", "Rsub", "Exp", "Log", "Sqrt", "Relu", "ClampMin")
_RAW = ("Addmm", "Mm", "Bmm", "Baddbmm", "Linear", "Convolution")
"""What gives any number at all, as the last layer of a network does."""
_DISTANCES = ("MseLoss", "SmoothL1Loss", "HuberLoss", "L1Loss")


def look(sightings: Sightings, loss: torch.Tensor, rows: int, *, alone: bool) -> None:
    """Note what the graph of `loss` shows; `rows` went into the model, and it is the only one that trains `alone`."""
    _all_pairs(sightings, loss, rows)
    if alone:
        _without_logarithm(sightings, loss)
    _codes(sightings, loss)


def _all_pairs(sightings: Sightings, loss: torch.Tensor, rows: int) -> None:
    """A product, or a distance, that holds every output beside every weight or target of the batch."""
    for node in _walk(loss.grad_fn, _ELEMENTWISE):
        name = name_of(node)
        if name in _DISTANCES and node.next_functions and name_of(node.next_functions[0][0]) == "Expand":
            part = _source_of_expand(node.next_functions[0][0])
            target = _saved(node, "_saved_target")
            if part is None or not isinstance(target, torch.Tensor) or not _is_sum_of_both(target, rows):
                continue
            whole, place = tuple(target.shape), making_line(node)
        elif name in ("Mul", "Div"):
            whole = _shape(node, 0)
            sides = [(earlier, place) for earlier, place in node.next_functions if earlier is not None]
            if len(sides) != 1 or len(whole) != 2 or whole[0] != whole[1] or whole[0] != rows:
                continue
            part = _shape(*sides[0])
            if name_of(sides[0][0]) in ("Unsqueeze", "Expand", "Repeat") or not _is_crossed(node, part, rows):
                continue  # somebody has written the broadcast out, or the factor is a square of its own, as a mask is
            place = making_line(node)
        else:
            continue
        if rows >= _FEWEST and part in ((rows, 1), (rows,)):
            facts = {"output": str(part), "difference": str(whole)}
            sightings.note("difference-of-all-pairs", place, facts)
            return


def _without_logarithm(sightings: Sightings, loss: torch.Tensor) -> None:
    """Minus the mean of raw outputs, each times the share of its class: a cross-entropy that has lost its logarithm."""
    sign = 1.0
    node = loss.grad_fn
    for _ in range(_MOST):
        name = name_of(node)
        ways = [earlier for earlier, _ in node.next_functions] if node is not None else []
        if name in _LINEAR or (node is not None and SAME_NUMBERS.match(node.name())):
            sign = -sign if name == "Neg" else sign
            node = ways[0] if ways else None
            continue
        if name not in ("Mul", "Div"):
            return
        moving = [place for place, earlier in enumerate(ways) if earlier is not None]
        if len(moving) != 1:
            return
        factor = _saved(node, "_saved_self" if moving[0] == 1 else "_saved_other")
        inner = ways[moving[0]]
        if isinstance(factor, torch.Tensor) and factor.numel() == 1 and factor.is_cpu:
            sign = sign if float(factor.detach()) > 0 else -sign
            node = inner
            continue
        if name == "Mul" and sign < 0 and isinstance(factor, torch.Tensor) and _shares(factor):
            made = inner
            while made is not None and SAME_NUMBERS.match(made.name()):
                made = made.next_functions[0][0]
            if name_of(made) in _RAW or (name_of(made) == "Add" and _is_bias(made)):
                facts = {"classes": int(factor.shape[-1])}
                sightings.note("shares-of-raw-outputs", making_line(node), facts)
        return


def _codes(sightings: Sightings, loss: torch.Tensor) -> None:
    """The mean of |probability - code of the class|: the graph has kept both the difference and the probabilities."""
    for node in _walk(loss.grad_fn, (*_LINEAR, "Mul", "Div")):
        if name_of(node) != "Abs" or not node.next_functions:
            continue
        difference, inner = _saved(node, "_saved_self"), node.next_functions[0][0]
        if name_of(inner) not in ("Sub", "Rsub") or not isinstance(difference, torch.Tensor):
            continue
        sides = [earlier for earlier, _ in inner.next_functions]
        softmax = next((side for side in sides if name_of(side) == "Softmax"), None)
        shares = None if softmax is None else _saved(softmax, "_saved_result")
        if not isinstance(shares, torch.Tensor) or shares.shape != difference.shape or not shares.is_cpu:
            continue
        first = bool(sides) and sides[0] is softmax and name_of(inner) == "Sub"
        codes = (shares - difference if first else shares + difference).detach().double()
        ones = (codes - 1).abs() < _NEAR
        if bool((ones | (codes.abs() < _NEAR)).all()) and bool((ones.sum(-1) == 1).all()) and codes.shape[-1] > 2:
            sightings.note("distance-to-codes", making_line(node), {"classes": int(codes.shape[-1])})
            return


def _walk(node: Any, through: tuple[str, ...]) -> Iterator[Any]:
    """Yield the nodes that are reached from `node` through operations of these names and views."""
    queue, seen = [node], set()
    while queue and len(seen) < _MOST:
        node = queue.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        if name_of(node) in through or SAME_NUMBERS.match(node.name()):
            queue += [earlier for earlier, _ in node.next_functions]


def _source_of_expand(node: Any) -> tuple[int, ...] | None:
    """Return the shape of what was expanded, None where the graph does not tell."""
    sizes = _saved(node, "_saved_self_sym_sizes")
    return tuple(int(size) for size in sizes) if isinstance(sizes, tuple | list) else None


def _is_crossed(node: Any, part: tuple[int, ...], rows: int) -> bool:
    """Say whether a product's constant side is (N,) where the learnt one is (N, 1), or the other way round."""
    factor = _saved(node, "_saved_self" if node.next_functions[0][0] is None else "_saved_other")
    other = (rows,) if part == (rows, 1) else (rows, 1)
    return isinstance(factor, torch.Tensor) and tuple(factor.shape) == other


def _is_sum_of_both(target: torch.Tensor, rows: int) -> bool:
    """Say whether a square of targets is a column plus a row, as (N,) and (N, 1) make by mistake, and neither alone."""
    if tuple(target.shape) != (rows, rows) or not target.is_cpu:
        return False
    values = target.detach().double()
    rest = values - values[:, :1] - values[:1] + values[0, 0]
    size = float((values - values.mean()).abs().max())
    return size > 0 and float(rest.abs().max()) < _NEAR * size


def _shares(factor: torch.Tensor) -> bool:
    """Say whether the rows of a factor are distributions over classes that differ from row to row."""
    if factor.dim() < 2 or factor.shape[-1] < _FEWEST or not factor.is_cpu or not factor.is_floating_point():
        return False
    values = factor.detach().double().reshape(-1, factor.shape[-1])
    sums = values.sum(-1)
    # Smoothing by hand often leaves out a class, and one row is like another in that.
    if (
        bool((values < 0).any())
        or not bool(((sums - 1).abs() < 0.05).all())
        or bool((sums - sums[0]).abs().max() > 1e-3)
    ):
        return False
    return bool((values.amax(-1) > 1.5 / values.shape[-1]).any()) and not bool((values == values[0]).all())


def _is_bias(node: Any) -> bool:
    """Say whether a sum is that of a product with a bias."""
    names = [name_of(earlier) for earlier, _ in node.next_functions]
    made = [earlier for earlier, _ in node.next_functions if earlier is not None]
    behind = []
    for earlier in made:
        while earlier is not None and SAME_NUMBERS.match(earlier.name()) and earlier.next_functions:
            earlier = earlier.next_functions[0][0]
        behind.append(name_of(earlier))
    return "AccumulateGrad" in names and any(name in _RAW for name in behind)


def _shape(node: Any, place: int) -> tuple[int, ...]:
    """Return the shape of what a node gave; () where autograd does not tell."""
    known = getattr(node, "_input_metadata", ())  # of the backward pass, whose inputs are like the outputs
    return tuple(known[place].shape) if place < len(known) else ()


def _saved(node: Any, name: str) -> Any:
    try:
        return getattr(node, name, None)
    except RuntimeError:  # its tensors are gone, or were changed since
        return None
