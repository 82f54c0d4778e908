"""Which tensors of some weights belong to which of a model: matched by name, and by shape.

Names may differ by a prefix, since wrappers put one before all of them ("module." of DataParallel, "model." of a
Lightning module, "_orig_mod." of a compiled one). Nothing is guessed from shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from trainwright.errors import nearest
from trainwright.records.loading import Loaded, Reshaped

State = Mapping[str, torch.Tensor]

WRAPPERS = ("module.", "model.", "_orig_mod.", "net.", "network.", "backbone.")
"""What wrappers put before names. Any other prefix is believed only where no name fits without it, and half fit with
it: of a whole network, or of the whole of the part that was saved."""
_COMPILED = "_orig_mod."  # torch.compile puts it wherever a compiled module stands


def match(model: State, weights: State, *, source: str = "the weights") -> tuple[Loaded, dict[str, str]]:
    """Return what fits, and which tensor of `weights` each of the model's takes. Pure: nothing is changed.

    `model` and `weights` are state dicts. Tensors fit where names agree (but for a prefix), shapes agree, and both are
    floating-point or neither is.
    """
    plain = {name.replace(_COMPILED, ""): name for name in weights}
    strip, add = _prefixes(model, {short: weights[name] for short, name in plain.items()})
    there = {short.removeprefix(strip): name for short, name in plain.items()}
    here = {name: name.replace(_COMPILED, "").removeprefix(add) for name in model}
    pairs: dict[str, str] = {}
    reshaped: list[Reshaped] = []
    missing: list[str] = []
    taken: set[str] = set()
    for name, short in here.items():
        if short not in there:
            missing.append(name)
            continue
        taken.add(there[short])
        one, other = model[name], weights[there[short]]
        if _fit(one, other):
            pairs[name] = there[short]
            continue
        same = one.shape == other.shape
        kinds = f"{_kind(other)} for {_kind(one)}" if same else ""
        reshaped.append(Reshaped(name=name, model=tuple(one.shape), source=tuple(other.shape), kinds=kinds))
    unexpected = [name for name in weights if name not in taken]
    return Loaded(
        source=source,
        loaded=tuple(pairs),
        missing=tuple(missing),
        unexpected=tuple(unexpected),
        reshaped=tuple(reshaped),
        near=_near(missing, unexpected),
        stripped=(_COMPILED if any(_COMPILED in name for name in weights) else "") + strip,
        added=(_COMPILED if any(_COMPILED in name for name in model) else "") + add,
        numbers=sum(model[name].numel() for name in pairs),
        all_numbers=sum(tensor.numel() for tensor in model.values()),
    ), pairs


def _fit(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point()


def _kind(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _prefixes(model: State, weights: State) -> tuple[str, str]:
    """Return the prefix to strip from the names of the weights, and the one to strip from the model's."""
    model = {name.replace(_COMPILED, ""): tensor for name, tensor in model.items()}

    def fitting(strip: str, add: str) -> int:
        there = {name.removeprefix(strip): tensor for name, tensor in weights.items()}
        here = {name.removeprefix(add): tensor for name, tensor in model.items()}
        return sum(name in there and _fit(tensor, there[name]) for name, tensor in here.items())

    best, most = ("", ""), fitting("", "")
    for strip in ("", *_wrapped(weights)):
        for add in ("", *_wrapped(model)):
            found = fitting(strip, add)
            if found > most:
                best, most = (strip, add), found
    if most:
        return best
    for strip, add in [*((path, "") for path in _paths(weights)), *(("", path) for path in _paths(model))]:
        found = fitting(strip, add)
        if found > most and 2 * found >= min(len(model), len(weights)):
            best, most = (strip, add), found
    return best


def _wrapped(names: Iterable[str]) -> list[str]:
    """Return every prefix that is made of wrappers alone, "module.model." among them."""
    found: dict[str, None] = {}
    for name in names:
        prefix, rest = "", name
        while (word := next((word for word in WRAPPERS if rest.startswith(word)), None)) is not None:
            prefix, rest = prefix + word, rest.removeprefix(word)
            found[prefix] = None
    return list(found)


def _paths(names: Iterable[str]) -> list[str]:
    """Return the first one and the first two steps of all names, with their dots."""
    found: dict[str, None] = {}
    for name in names:
        steps = name.split(".")
        for length in (1, 2):
            if len(steps) > length:
                found[".".join(steps[:length]) + "."] = None
    return list(found)


_MOST_COMPARED = 200  # names on either side, up to which nearest spellings are looked for: it takes their product


def _near(missing: list[str], unexpected: list[str]) -> dict[str, str]:
    if not 0 < len(missing) * len(unexpected) <= _MOST_COMPARED**2:
        return {}
    found = {name: nearest(name, unexpected) for name in missing}
    return {name: other for name, other in found.items() if other is not None}
