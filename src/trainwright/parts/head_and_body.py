"""The last layer and what lies before it, as names: "head" and "body", where the model has no parts so called.

The built-in networks are chains whose last layer is called "9" or "11", as their depth has it; a recipe that freezes
all but the head should not have to count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from trainwright.parts.optimizer_layers import layers_of

HEAD, BODY = "head", "body"


def head_modules(model: nn.Module) -> list[str]:
    """Return the paths of the modules that own the head's parameters.

    The head is the part called "head" where there is one with parameters, else the last layer.
    """
    named = dict(model.named_children()).get(HEAD)
    if named is not None and any(True for _ in named.parameters()):
        return [HEAD]
    layers = layers_of(model)
    last = set(map(id, layers[-1])) if layers else set()
    return [
        path
        for path, module in model.named_modules()
        if any(id(parameter) in last for parameter in module.parameters(recurse=False))
    ]


def with_nicknames(model: nn.Module, names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return `names` (dotted names of parameters or modules, and all that each is called) with the nicknames besides.

    What belongs to the head is also called "head.<name>", what does not, and holds no part of it, "body.<name>".
    """
    tops = {name for name, _ in model.named_children()}
    heads = head_modules(model)
    found: dict[str, tuple[str, ...]] = {}
    for name, known in names.items():
        inside = any(name == path or name.startswith(f"{path}.") or not path for path in heads)
        around = not inside and (not name or any(path.startswith(f"{name}.") for path in heads))
        nickname = HEAD if inside else BODY
        found[name] = tuple(known) if around or nickname in tops else (*known, f"{nickname}.{name}")
    return found
