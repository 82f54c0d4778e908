"""What each parameter is in its model: judged by the modules that own it, and the same however they are ordered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from trainwright.tensors import is_normalisation

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WEIGHTED = (
    *_CONVOLUTIONS,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.Bilinear,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
)
"""Modules whose parameters of two dimensions and more are weights, whatever their shape and name."""
_EMBEDDING_WORDS = frozenset(
    ("emb", "embed", "embedding", "embeddings", "pos", "position", "positions", "positional", "token", "tokens")
)
"""What the name of a bare parameter says that is an embedding without an Embedding: `pos_embed`, `register_tokens`."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a parameter is: all its names, whether it should decay and why, and whether it is a hidden weight.

    Hidden weights are matrices, and kernels of ungrouped convolutions (matrices from patches to channels), of any layer
    but the last, so that neither embeddings nor the output layer are among them.
    """

    names: tuple[str, ...]
    decays: bool
    reason: str
    hidden: bool


def roles_of(model: nn.Module) -> dict[str, Role]:
    """Return the role of each parameter of `model` by its first name, frozen ones too.

    A parameter that several modules own decays only if each of them would let it: the weight that an Embedding shares
    with the output layer is an embedding, whichever of both was registered first. The output layer is the module
    registered last among those that own a weight.
    """
    owners: dict[int, list[tuple[str, nn.Module]]] = {}
    output: nn.Module | None = None
    for path, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(parameter), []).append((f"{path}.{name}" if path else name, module))
            if _judge(module, name, tuple(parameter.shape))[0]:
                output = module
    roles = {}
    for first, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        mine = owners[id(parameter)]
        # The judgement against decay comes first, and of several such the first by its words: in no order of modules.
        decays, reason = min(_judge(owner, name.rpartition(".")[2], shape) for name, owner in mine)
        if len({id(owner) for _, owner in mine}) > 1:
            reason += f", shared as {', '.join(name for name, _ in mine if name != first)}"
        hidden = decays and all(owner is not output and _is_matrix(owner, shape) for _, owner in mine)
        roles[first] = Role(names=tuple(name for name, _ in mine), decays=decays, reason=reason, hidden=hidden)
    return roles


def _judge(owner: nn.Module, name: str, shape: tuple[int, ...]) -> tuple[bool, str]:
    """Say whether a parameter should decay as `owner` has it, and why: by the owner's type, then by its shape."""
    words = name.split("_")  # `in_proj_bias`, `bias_ih_l0`, but not `unbiased`
    if is_normalisation(owner):
        return False, f"normalisation ({type(owner).__name__})"
    if "bias" in words:
        return False, "bias"
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return False, "embedding"
    if len(shape) < 2:
        return False, f"{len(shape)}-dimensional"
    if not isinstance(owner, _WEIGHTED):
        if not _EMBEDDING_WORDS.isdisjoint(words):
            return False, "embedding"
        if sum(size > 1 for size in shape) < 2:
            return False, "a scale: at most one axis is longer than 1"
    return True, f"weight ({type(owner).__name__})"


def _is_matrix(owner: nn.Module, shape: tuple[int, ...]) -> bool:
    """Say whether a weight is a matrix, as it is or with its last axes put into one."""
    if len(shape) > 2 and not (isinstance(owner, _CONVOLUTIONS) and owner.groups == 1):
        return False
    return math.prod(shape[:1]) > 1 and math.prod(shape[1:]) > 1
