"""The layers of any network, from input to output: what layer-wise decay of the learning rate counts by."""

from __future__ import annotations

from torch import nn

from trainwright.tensors import is_normalisation

_STACKS = (nn.Sequential, nn.ModuleList)
_CONTAINERS = (*_STACKS, nn.ModuleDict)


def layers_of(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters of each layer of `model`, from input to output: in the order in which they are registered.

    Layers are found by descending from the root. Every element of a Sequential or ModuleList on the way is a layer, and
    so is every module that stands beside one. A block is one layer, whatever is inside. The way leads into containers,
    into a module that holds a container and more than half of its parent's parameters (a backbone with a head beside
    it), and into one that holds all of them (a wrapper's only content). A normalisation alone belongs to the layer
    before it, parameters of a module on the way (position embeddings, class tokens) to its first layer, and a parameter
    that several layers share to the first of them. Layers without parameters are left out.
    """
    layers: list[list[nn.Parameter]] = []
    seen: set[int] = set()
    waiting: list[nn.Parameter] = []  # a normalisation before any layer
    for found, normalises in _descend(model):
        parameters = [parameter for parameter in found if id(parameter) not in seen]
        seen.update(map(id, parameters))
        if not parameters:
            continue
        if not normalises:
            layers.append(waiting + parameters)
            waiting = []
        elif layers:
            layers[-1].extend(parameters)
        else:
            waiting += parameters
    return [*layers, waiting] if waiting else layers


def _descend(module: nn.Module) -> list[tuple[list[nn.Parameter], bool]]:
    """Return the parameters of each layer below `module`, and whether it is a normalisation alone."""
    whole = len(list(module.parameters()))
    layers: list[tuple[list[nn.Parameter], bool]] = []
    for child in module.children():
        parameters = list(child.parameters())
        stage = isinstance(child, _CONTAINERS) and not isinstance(module, _STACKS)
        backbone = 2 * len(parameters) > whole and any(isinstance(part, _CONTAINERS) for part in child.modules())
        content = 0 < whole == len(parameters)
        if stage or backbone or content:
            layers += _descend(child)
        elif parameters:
            layers.append((parameters, is_normalisation(child)))
    own = list(module.parameters(recurse=False))
    if own and layers:
        layers[0] = (own + layers[0][0], layers[0][1])
    elif own:
        layers.append((own, is_normalisation(module)))
    return layers
