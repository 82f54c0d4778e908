"""What is replaced in torch while a loop is watched, and what each replacement tells.

A replacement calls the original with the same arguments and gives back the same result, whatever happens around it; in
code that is being compiled or scripted it is the original and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import clip_grad
from torch.optim import lr_scheduler
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.data import DataLoader, dataloader
from torch.utils.data._utils import fetch

from trainwright.vitals.output_loss import LOSSES
from trainwright.watching.patches import Patches
from trainwright.watching.tape import Tape
from trainwright.watching.telling import Teller

SIGNED = {"soft_margin_loss": 1, "hinge_embedding_loss": 1, "margin_ranking_loss": 2, "cosine_embedding_loss": 2}
"""Losses whose targets are -1 and 1, and the place of the target among their arguments."""


def attach(tape: Tape) -> Callable[[], None]:
    """Let torch tell `tape` what happens from now on; return the function that puts everything back."""
    patches = Patches()
    tell = Teller(tape)
    patches.replace(torch.autograd, "backward", tell.backward)
    patches.replace(torch.autograd, "grad", tell.taken)
    patches.replace(torch.Tensor, "backward", tell.tensor_backward)
    patches.replace(Optimizer, "__init__", tell.after("optimizer_made"))
    patches.replace(Optimizer, "zero_grad", tell.after("zeroed", followed=True))
    patches.replace(Optimizer, "load_state_dict", tell.after("state_loaded"))
    patches.replace(nn.Module, "zero_grad", tell.after("zeroed", followed=True))
    patches.replace(nn.Module, "train", tell.outermost("mode_changed"))
    patches.replace(nn.Module, "eval", tell.after("asked_to_evaluate"))
    patches.replace(nn.Module, "load_state_dict", tell.after("weights_loaded"))
    patches.replace(nn.Module, "__init__", tell.after("module_made"))
    for name in [name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")]:
        patches.replace(nn.init, name, tell.after("initialised"))
    patches.replace(lr_scheduler.LRScheduler, "load_state_dict", tell.after("state_loaded"))
    patches.replace(clip_grad, "_clip_grads_with_norm_", tell.clipped_norms)
    patches.replace(clip_grad, "clip_grad_value_", tell.clipped_values)
    patches.replace(nn.utils, "clip_grad_value_", tell.clipped_values)
    for scheduler in _schedulers():
        if "__init__" in vars(scheduler):
            patches.replace(scheduler, "__init__", tell.outermost("scheduler_made"))
        if "step" in vars(scheduler):
            patches.replace(scheduler, "step", tell.outermost("scheduler_stepped", tape.cruise.scheduled))
    patches.replace(torch.amp.GradScaler, "scale", tell.after("scaler_scaled"))
    patches.replace(torch.amp.GradScaler, "unscale_", tell.after("scaler_unscaled"))
    patches.replace(torch.amp.GradScaler, "step", tell.around("scaler_step"))
    patches.replace(torch.amp.GradScaler, "update", tell.after("scaler_updated"))
    patches.replace(torch.no_grad, "__enter__", tell.gradients_off)
    patches.replace(torch.inference_mode, "__enter__", tell.gradients_off)
    patches.replace(DataLoader, "__init__", tell.after("loader_made"))
    patches.replace(DataLoader, "__iter__", tell.after("epoch_begins"))
    patches.replace(dataloader._BaseDataLoaderIter, "__next__", tell.drawn)
    patches.replace(dataloader._BaseDataLoaderIter, "_next_index", tell.chosen)
    patches.replace(dataloader._MultiProcessingDataLoaderIter, "__init__", tell.around("workers_start"))
    patches.replace(fetch._MapDatasetFetcher, "fetch", tell.fetched)
    for name in sorted({name for function, name in LOSSES.items() if getattr(nn.functional, name, None) is function}):
        patches.replace(nn.functional, name, tell.loss(name))
    for name, place in SIGNED.items():
        patches.replace(nn.functional, name, tell.signed(name, place))
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"):
        patches.replace(nn.functional, name, tell.dropped)
    for name in ("__gt__", "__ge__", "__lt__", "__le__", "gt", "ge", "lt", "le"):
        patches.replace(torch.Tensor, name, tell.compared)
    patches.replace(nn.functional, "scaled_dot_product_attention", tell.attended)
    patches.replace(torch.autocast, "__init__", tell.after("autocast_made"))
    patches.replace(torch.autocast, "__enter__", tell.after("autocast_entered"))
    patches.replace(torch, "compile", tell.after("compiled"))
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    if compiler is not None:  # something may have been compiled already
        patches.replace(compiler.OptimizedModule, "__call__", tell.compiled_call)
    patches.replace(torch.jit, "script", tell.suspended(patches))
    hooks = [
        register_optimizer_step_pre_hook(tell.step_begins),
        register_optimizer_step_post_hook(tell.step_ends),
    ]

    def detach() -> None:
        for hook in hooks:
            hook.remove()
        patches.undo()

    return detach


def _schedulers() -> list[type]:
    """Return torch's schedulers, and the user's own that exist already."""
    found, queue = [], [lr_scheduler.LRScheduler]
    while queue:
        scheduler = queue.pop()
        if scheduler not in found:
            found.append(scheduler)
            queue += scheduler.__subclasses__()
    return found
