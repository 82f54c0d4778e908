"""Muon for hidden weight matrices and AdamW for all else, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.optim.adamw import adamw

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts.optimizer_options import ADAM, coefficient, count, decay, rate
from trainwright.parts.optimizer_sgd import refuse_sparse
from trainwright.records import OptimizerSpec

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the Newton-Schulz polynomial (Jordan et al. 2024)
_EPSILON = 1e-7  # least norm that the polynomial's argument is divided by


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for matrices (Jordan et al. 2024), AdamW for the rest, in groups of one optimizer.

    For a matrix of a x b: m <- mu m + (1-mu) g; u = (1-mu) g + mu m; w <- w - eta lambda w - 0.2 sqrt(max(a, b)) eta O,
    where O is u with all its singular values brought near 1 by `iterations` of Newton and Schulz's (in bfloat16). The
    factor gives O the length of AdamW's step, so that one rate and one decay serve both (Liu et al. 2025).

    A group says by `hidden` whether it holds hidden weights: matrices, and kernels of convolutions, which are matrices
    from patches to channels once their last axes are put into one. A group that does not say is split: its matrices are
    taken for hidden. A parameter without a gradient is left alone. All groups are in `param_groups`, their `lr` and
    `weight_decay` free to be written; those of matrices carry `momentum`, the others `betas`.
    """

    def __init__(
        self,
        groups: list[dict],
        *,
        lr: float,
        weight_decay: float,
        momentum: float,
        iterations: int,
        beta1: float,
        beta2: float,
        epsilon: float,
    ) -> None:
        orthogonal = {"momentum": momentum, "iterations": iterations}
        adaptive = {"betas": (beta1, beta2), "eps": epsilon}
        told = [part for group in groups for part in _told(group)]
        super().__init__(
            [{**group, **(orthogonal if group["hidden"] else adaptive)} for group in told],
            {"lr": lr, "weight_decay": weight_decay},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None) -> torch.Tensor | None:  # type: ignore[override]
        """Make one step; returns the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in weights]
            refuse_sparse(gradients, "muon")
            if weights:
                (self._orthogonal if group["hidden"] else self._adaptive)(group, weights, gradients)
        return loss

    def _orthogonal(self, group: dict[str, Any], weights: list[torch.Tensor], gradients: list[torch.Tensor]) -> None:
        # The arithmetic of torch.optim.Muon, which torch offers without the class only here. The class takes no
        # kernels, and a second optimizer inside this one would call twice whoever watches optimizer steps.
        from torch.optim._muon import muon

        matrices = [weight.flatten(1) for weight in weights]  # a view, or a copy where the memory is in another order
        for weight, matrix in zip(weights, matrices, strict=True):
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(matrix)
        muon(
            matrices,
            [gradient.flatten(1) for gradient in gradients],
            [self.state[weight]["momentum_buffer"] for weight in weights],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            nesterov=True,
            ns_coefficients=_COEFFICIENTS,
            ns_steps=group["iterations"],
            eps=_EPSILON,
            adjust_lr_fn="match_rms_adamw",
            has_complex=False,
        )
        for weight, matrix in zip(weights, matrices, strict=True):
            if matrix.data_ptr() != weight.data_ptr():
                weight.copy_(matrix.view_as(weight))

    def _adaptive(self, group: dict[str, Any], weights: list[torch.Tensor], gradients: list[torch.Tensor]) -> None:
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)  # half precision could not count
                state["exp_avg"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        states = [self.state[weight] for weight in weights]
        beta1, beta2 = group["betas"]
        adamw(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _told(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the group, or where it does not say so what of it is hidden and what is not."""
    members = [group["params"]] if isinstance(group["params"], torch.Tensor) else list(group["params"])
    if "hidden" not in group:
        for hidden in (True, False):
            part = [weight for weight in members if (weight.dim() == 2) is hidden]
            if part:
                yield {**group, "params": part, "hidden": hidden}
        return
    flat = next((weight for weight in members if weight.dim() < 2), None)
    if group["hidden"] and flat is not None:
        raise UsageError(
            "muon's groups of hidden weights can hold matrices and kernels alone",
            evidence=f"one holds a parameter of shape {tuple(flat.shape)}",
            remedy="put it into a group with hidden = False",
        )
    yield {**group, "params": members}


MUON = OptimizerSpec(
    name="muon",
    summary="turns the momentum of each hidden weight matrix into the nearest orthogonal one, so that every direction "
    "is learned; embeddings, the last layer, biases and normalisations are trained by AdamW, in the same optimizer",
    formula="m <- mu m + (1-mu) g; w <- w - eta lambda w - 0.2 sqrt(max(a, b)) eta orthogonal((1-mu) g + mu m)",
    factory=Muon,
    torch_class="Muon",
    options={
        "lr": rate(defaults.MUON_LEARNING_RATE),
        "weight_decay": decay(defaults.WEIGHT_DECAY),
        "momentum": coefficient(defaults.MUON_MOMENTUM),
        "iterations": count(defaults.MUON_ITERATIONS, 20),
        **ADAM,
    },
    best_for="transformers and other networks of large hidden matrices",
    reference="Jordan et al. 2024; Liu et al. 2025",
)
