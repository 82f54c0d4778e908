"""The optimizer's update, by torch's kernels where they can be called directly.

`optimizer.step()` gathers its lists, asks for hooks and opens a profiling range anew in every step, which for a small
network takes three times as long as the arithmetic. Here the lists are gathered once. The kernels and the tensors are
those of `optimizer.step()`, and so is every bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """A group of parameters with what the optimizer keeps for each; the settings are read in every step."""

    settings: dict[str, Any]
    parameters: list[torch.Tensor]
    state: Mapping[str, list[torch.Tensor]]


class Updating:
    """Clears the gradients of an optimizer's parameters, and turns them into an update.

    `reason` says why the update goes through `optimizer.step()`, "" where the kernels are called directly. They are
    left for a step in which a parameter has no gradient, and while somebody watches the optimizer by hooks.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.reason = _reason(optimizer)
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._groups: list[_Group] = []
        self._counters: list[torch.Tensor] = []  # of all groups: one call counts for all of them
        self._state: object = None  # of the optimizer, as the groups were gathered from it

    def clear_gradients(self) -> None:
        """Forget the gradients, so that the next backward pass makes new ones instead of adding to them."""
        if self._is_hooked():
            self.optimizer.zero_grad(set_to_none=True)
            return
        for parameter in self._parameters:
            parameter.grad = None

    def apply(self) -> None:
        """Move the parameters by the gradients that stand in them."""
        if self.reason or self._is_hooked() or not self._is_current():
            self._by_optimizer()
            return
        gradients = [[parameter.grad for parameter in group.parameters] for group in self._groups]
        if any(gradient is None for each in gradients for gradient in each):
            self._by_optimizer()
            return
        kernel = _KERNELS[type(self.optimizer)]
        with torch.no_grad():
            if self._counters:
                torch._foreach_add_(self._counters, 1)
            for group, each in zip(self._groups, gradients, strict=True):
                kernel.call(group, each)

    def _by_optimizer(self) -> None:
        self.optimizer.step()
        if not self.reason:
            self._gather()  # after the step, which makes the state of parameters that are new to it

    def _gather(self) -> None:
        self._groups, self._state = [], None
        names = _KERNELS[type(self.optimizer)].names
        groups = []
        for settings in self.optimizer.param_groups:
            parameters = list(settings["params"])
            kept = [self.optimizer.state.get(parameter, {}) for parameter in parameters]
            state = {name: [each.get(name) for each in kept] for name in names(settings)}
            if any(value is None for values in state.values() for value in values) or not _is_plain(parameters):
                return
            if parameters:
                groups.append(_Group(settings=settings, parameters=parameters, state=state))
        self._counters = [counter for group in groups for counter in group.state.get("step", [])]
        self._groups, self._state = groups, self.optimizer.state

    def _is_current(self) -> bool:
        """Say whether the gathered lists are still the optimizer's: loading a state puts other tensors in place."""
        return self._state is self.optimizer.state

    def _is_hooked(self) -> bool:
        optimizer = self.optimizer
        return bool(
            _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
            or optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or "step" in optimizer.__dict__
        )


@dataclass(frozen=True, kw_only=True)
class _Kernel:
    """`names` are the tensors that the optimizer keeps for each parameter, given a group's settings."""

    names: Callable[[Mapping[str, Any]], Sequence[str]]
    call: Callable[[_Group, list[Any]], None]


def _adam_names(settings: Mapping[str, Any]) -> Sequence[str]:
    return ("step", "exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if settings["amsgrad"] else []))


def _adam(group: _Group, gradients: list[Any]) -> None:
    settings, state = group.settings, group.state
    update = torch._fused_adamw_ if settings["decoupled_weight_decay"] else torch._fused_adam_
    update(
        group.parameters,
        gradients,
        state["exp_avg"],
        state["exp_avg_sq"],
        state.get("max_exp_avg_sq", []),
        state["step"],
        lr=settings["lr"],
        beta1=settings["betas"][0],
        beta2=settings["betas"][1],
        weight_decay=settings["weight_decay"],
        eps=settings["eps"],
        amsgrad=settings["amsgrad"],
        maximize=settings["maximize"],
    )


def _sgd_names(settings: Mapping[str, Any]) -> Sequence[str]:
    return ("momentum_buffer",) if settings["momentum"] else ()


def _sgd(group: _Group, gradients: list[Any]) -> None:
    """Make the step one parameter after the other, as torch does on a CPU: no tensor is as large as all of them."""
    settings, decay, momentum = group.settings, group.settings["weight_decay"], group.settings["momentum"]
    buffers = group.state.get("momentum_buffer", [None] * len(gradients))
    for parameter, given, buffer in zip(group.parameters, gradients, buffers, strict=True):
        gradient = -given if settings["maximize"] else given
        if decay:
            gradient = gradient.add(parameter, alpha=decay)
        if buffer is not None:
            buffer.mul_(momentum).add_(gradient, alpha=1 - settings["dampening"])
            gradient = gradient.add(buffer, alpha=momentum) if settings["nesterov"] else buffer
        parameter.add_(gradient, alpha=-settings["lr"])


_KERNELS: Mapping[type, _Kernel] = {
    torch.optim.Adam: _Kernel(names=_adam_names, call=_adam),
    torch.optim.AdamW: _Kernel(names=_adam_names, call=_adam),
    torch.optim.SGD: _Kernel(names=_sgd_names, call=_sgd),
}


def _reason(optimizer: torch.optim.Optimizer) -> str:
    if type(optimizer) not in _KERNELS:
        return f"{type(optimizer).__name__} has no fused kernel"
    for group in optimizer.param_groups:
        if type(optimizer) is torch.optim.SGD and (group.get("fused") or group.get("foreach")):
            return "the optimizer was made with fused=True or foreach=True"
        if type(optimizer) is not torch.optim.SGD and not group.get("fused"):
            return "the optimizer was made without fused=True"
        if group.get("capturable") or group.get("differentiable"):
            return "the optimizer is capturable or differentiable"
        if any(isinstance(value, torch.Tensor) for value in (group["lr"], *group.get("betas", ()))):
            return "a rate or a coefficient of the optimizer is a tensor"
    return ""


def _is_plain(parameters: Sequence[torch.Tensor]) -> bool:
    """Say whether one call of a kernel can take all of them: of one type, on one device, with dense gradients."""
    return len({(parameter.dtype, parameter.device) for parameter in parameters}) <= 1 and all(
        parameter.grad is None or parameter.grad.layout == torch.strided for parameter in parameters
    )
