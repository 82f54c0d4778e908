"""A model of which each rank holds a part (FSDP2), and the ways between parts and whole tensors."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.training.activations import blocks_of
from trainwright.training.distributed import Ranks


def sharded(model: nn.Module, optimizer: torch.optim.Optimizer, ranks: Ranks, *, bf16: bool) -> nn.Module:
    """Return a copy of `model` whose parameters are divided over the ranks, and let `optimizer` hold those.

    Blocks are gathered one at a time, in the forward and again in the backward pass. With `bf16` they are gathered in
    bfloat16, but for models with batch normalisation, whose statistics are float32; gradients are added up in float32.
    The optimizer must not have made a step yet.
    """
    twin = copy.deepcopy(model)
    for parameter in twin.parameters():  # images with their channels last cannot be divided as they lie
        parameter.data = parameter.data.contiguous()
    device = next(twin.parameters()).device
    mesh = init_device_mesh(device.type, (ranks.world,))
    mixes = bf16 and not any(isinstance(module, _BatchNorm) for module in twin.modules())
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if mixes else None
    options: dict[str, Any] = {"mesh": mesh} | ({} if policy is None else {"mp_policy": policy})
    names = {parameter: name for name, parameter in model.named_parameters()}
    tied = len(list(twin.named_parameters(remove_duplicate=False))) > len(names)  # such must be gathered together
    parts = [] if tied else blocks_of(twin) or list(twin.children())
    for part in parts:
        if next(part.parameters(), None) is not None and not isinstance(part, nn.ModuleList | nn.ModuleDict):
            fully_shard(part, **options)
    fully_shard(twin, **options)
    own = dict(twin.named_parameters())
    for group in optimizer.param_groups:
        group["params"] = [own[names[parameter]] for parameter in group["params"]]
    return twin


def divided(kept: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """Return the state of a run, of whole tensors, as this rank's part of it, in the way that `model` is divided."""
    like = {name: value for name, value in model.state_dict().items() if isinstance(value, DTensor)}

    def part(name: str, value: Any) -> Any:
        own = like.get(name)
        if own is None or not isinstance(value, torch.Tensor) or value.shape != own.shape:
            return value
        return distribute_tensor(value.to(own.device), own.device_mesh, own.placements, src_data_rank=None)

    def parts(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: part(name, value) for name, value in values.items()}

    snapshot = dict(kept["snapshot"])
    snapshot["weights"] = parts(snapshot["weights"])
    moments = snapshot["optimizer"]["state"]
    state = {name: {key: part(name, value) for key, value in values.items()} for name, values in moments.items()}
    snapshot["optimizer"] = {**snapshot["optimizer"], "state": state}
    if snapshot["average"] is not None:
        updates, average = snapshot["average"]
        snapshot["average"] = updates, parts(average)
    divided_ones = {name: parts(kept[name]) for name in ("best_state", "gradients")}
    return {**kept, **divided_ones, "snapshot": snapshot}
