"""Whether a loop goes down what it should: the sign with which a known loss, or a likelihood, enters what is minimised.

Read from the graph of the loss, backwards from its value, through what is linear (minus, times a number, mean, sum),
down to losses of the library and to logarithms of the probabilities of answers that were given. Where anything else is
met nothing is said: the returns of reinforcement learning and the terms of an adversary may have any sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainwright.vitals.output_graph import behind_views, name_of
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place, making_line
from trainwright.watching.sightings import Sightings

_LOSSES = {
    "NllLoss": "cross_entropy",
    "NllLoss2D": "cross_entropy",
    "MseLoss": "mse_loss",
    "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss",
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
}
"""Nodes of the library's losses, none of which is ever wanted larger."""
_LIKELIHOOD = "log-likelihood"
_THROUGH = ("Mean", "Sum", "Nansum", "ToCopy", "MaskedSelect", "MaskedFill", "Stack", "Cat")
"""Operations that keep the sign."""
_PICKS = ("Gather", "Index", "Take")
"""What takes, of the logarithms of all answers' probabilities, that of the one that was given."""
_MOST = 64  # nodes of one loss
_NEAR = 1e-3  # rows of targets that add up to 1, rounding aside


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a loss. `weight` is positive where less of the whole is less of it; `node` turned it over last."""

    what: str
    weight: float
    node: Any = None
    one_answer: bool = False  # all samples have one target, as those have that a judge is to take for real
    half: bool = False  # a yes or a no, without the other: a factor of a logarithm may be a reward as well


@dataclass(frozen=True, slots=True)
class _Way:
    """How a node is reached from the loss: times `weight`, through a choice of answers, past a number below 0."""

    weight: float = 1.0
    turned: Any = None
    picked: bool = False
    scaled: bool = False
    half: bool = False


class SignBooks:
    """Looks at the losses of steps that are looked at closely."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._terms: list[tuple[Term | None, Place | None]] = []  # of the backward passes since the last step
        self._weight: float | None = None
        self._varies = False

    def backward_begins(self, loss: torch.Tensor, place: Place | None) -> None:
        """A loss is about to be learnt from."""
        self._terms.append((term_of(loss), place))
        del self._terms[:-_MOST]

    def stepped(self, owner: Owner, *, scaling: bool) -> None:
        """An optimizer has stepped on all of them."""
        terms, self._terms = self._terms, []
        optimizer = owner.optimizer()
        if not terms or optimizer is None:
            return
        self._sightings.chance("loss-maximised")
        up = bool(optimizer.param_groups[0].get("maximize"))
        first, place = terms[0]
        if first is None or any(term is None or term.one_answer or (term.weight < 0) == up for term, _ in terms):
            return
        # A number that is another each time is a return or an advantage, whatever its sign in the first steps.
        self._varies = self._varies or (self._weight not in (None, first.weight) and not scaling)
        self._weight = first.weight
        if self._varies:
            self._sightings.forget("loss-maximised")
            return
        facts = {"loss": first.what, "weight": first.weight, "maximize": up, "optimizer": owner.name}
        self._sightings.note("loss-maximised", owner.made if up else making_line(first.node) or place, facts)


def term_of(loss: torch.Tensor) -> Term | None:
    """Return the one known loss of which `loss` is a multiple; None where it is anything else, or more than that.

    Several terms count as one where they are losses of one kind and one sign. Of a likelihood the weight is negative
    where the likelihood itself is minimised, and the sign of each part must be that of the minus signs in the program.
    """
    terms = list(_terms(loss.grad_fn, _Way(), [_MOST]))
    known = [term for term in terms if term is not None]
    if not known or len(known) < len(terms) or len({term.what for term in known}) > 1:
        return None
    if len({term.weight > 0 for term in known}) > 1 or (len(known) == 1 and known[0].half):
        return None
    first = known[0]
    answers = all(term.one_answer for term in known)
    return Term(first.what, sum(term.weight for term in known), first.node, answers)


def _terms(node: Any, way: _Way, left: list[int]) -> Iterator[Term | None]:
    """Yield the parts of what `node` made; None for one that is not known."""
    left[0] -= 1
    node = _behind(node)
    if node is None or left[0] < 0:
        yield None
        return
    name, inputs = name_of(node), [before for before, _ in node.next_functions]
    if name in _LOSSES:
        target = _saved(node, "_saved_target")
        yield Term(_LOSSES[name], way.weight, way.turned, _alike(target))
    elif (picked := _log_probability(node, name)) is not None:
        known = (picked or way.picked) and not (way.scaled and way.weight > 0)
        yield Term(_LIKELIHOOD, -way.weight, way.turned, half=way.half) if known else None
    elif name in _THROUGH:
        for before in inputs:
            if before is not None:
                yield from _terms(before, way, left)
    elif name in _PICKS:
        yield from _terms(inputs[0], replace(way, picked=True), left)
    elif name == "Neg":
        yield from _terms(inputs[0], _times(way, -1.0, node, scaled=way.scaled), left)
    elif name in ("Add", "Sub", "Rsub"):
        alpha = _number(_saved(node, "_saved_alpha"))
        signs = {"Add": (1.0, alpha), "Sub": (1.0, _negative(alpha)), "Rsub": (_negative(alpha), 1.0)}[name]
        for before, sign in zip(inputs, signs, strict=False):
            if before is not None and sign is not None:
                yield from _terms(before, _times(way, sign, node, scaled=way.scaled), left)
            elif before is not None:
                yield None
    elif name in ("Mul", "Div"):
        yield from _product(node, name, inputs, way, left)
    else:
        yield None


def _product(node: Any, name: str, inputs: list[Any], way: _Way, left: list[int]) -> Iterator[Term | None]:
    """Go on behind a product with a number, or with targets that are a share for each answer."""
    moving = [place for place, before in enumerate(inputs) if before is not None]
    if len(moving) != 1 or (name == "Div" and moving[0] == 1):
        yield None
        return
    before = inputs[moving[0]]
    factor = _saved(node, "_saved_self" if moving[0] == 1 else "_saved_other")
    number = _number(factor)
    if number is not None and number != 0:
        weight = number if name == "Mul" else 1 / number
        yield from _terms(before, _times(way, weight, node, scaled=way.scaled or number < 0), left)
    elif name == "Mul" and _are_shares(factor):
        half = factor.dim() < 2 or factor.shape[1] < 2
        yield from _terms(before, replace(way, picked=True, half=half), left)
    else:
        yield None


def _log_probability(node: Any, name: str) -> bool | None:
    """Say whether a node gives logarithms of probabilities, None where not: True for those of one answer each.

    They come from a log-softmax, from logits less their logsumexp, from the log of a softmax or a sigmoid.
    """
    if name in ("LogSoftmax", "LogSigmoid"):
        return False
    if name == "Sub" and len(node.next_functions) == 2:
        return False if name_of(behind_views(node.next_functions[1][0])) == "Logsumexp" else None
    if name != "Log":
        return None
    inner, picked = _behind(node.next_functions[0][0]), False
    while inner is not None and name_of(inner) in (*_PICKS, "Rsub", "Clamp", "ClampMin", "Add"):  # 1 - p, p + 1e-8
        picked = picked or name_of(inner) in _PICKS
        inner = _behind(inner.next_functions[0][0])
    return picked if name_of(inner) in ("Softmax", "Sigmoid") else None


def _are_shares(factor: Any) -> bool:
    """Say whether a factor is a distribution over the answers of each sample: rows that add up to 1, or a yes or no."""
    if not isinstance(factor, torch.Tensor) or not factor.is_cpu or factor.numel() < 2:
        return False
    values = factor.detach().double()
    if bool((values < 0).any()) or bool((values > 1 + _NEAR).any()):
        return False
    if values.dim() == 1 or values.shape[1] == 1:
        return not bool((values == values.reshape(-1)[0]).all())
    return bool(((values.sum(1) - 1).abs() < _NEAR).all())


def _behind(node: Any) -> Any:
    """Return the node behind views, but for choices of answers, which are told from other views here."""
    while node is not None and name_of(node) not in _PICKS:
        further = behind_views(node)
        if further is node:
            return node
        node = node.next_functions[0][0]
    return node


def _times(way: _Way, factor: float, node: Any, *, scaled: bool) -> _Way:
    return replace(way, weight=way.weight * factor, turned=node if factor < 0 else way.turned, scaled=scaled)


def _saved(node: Any, name: str) -> Any:
    try:
        return getattr(node, name, None)
    except RuntimeError:  # its tensors are gone, or were changed since
        return None


def _number(value: Any) -> float | None:
    """Return a single number that lies on the CPU."""
    if isinstance(value, torch.Tensor):
        return float(value.detach()) if value.numel() == 1 and value.is_cpu else None
    return float(value) if isinstance(value, int | float) else None


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _alike(target: Any) -> bool:
    """Say whether all targets are one; those on an accelerator are taken to differ, as reading them would wait."""
    if not isinstance(target, torch.Tensor) or not target.is_cpu or target.numel() == 0:
        return False
    return bool((target == target.reshape(-1)[0]).all())
