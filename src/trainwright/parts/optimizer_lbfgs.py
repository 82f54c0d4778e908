"""L-BFGS: searches along directions that a model of the curvature gives. For small models and the whole of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from trainwright import defaults
from trainwright.errors import UsageError
from trainwright.parts.optimizer_options import count, decay, rate
from trainwright.records import OptimizerSpec


class LBFGS(torch.optim.LBFGS):
    """torch's L-BFGS with a strong Wolfe line search, and weight decay for those parameters that decay.

    torch's takes a single group. This one keeps aside which parameters decay, and by how much: `decaying` holds pairs
    of them and their lambda. Since the line search compares losses, decay can only be a part of the loss: half of
    lambda |w|^2 is added to what the closure returns, and lambda w to its gradients.

    The history describes one set of parameters. When another set gets gradients (a layer was frozen), or a search was
    broken off by an exception, it is begun anew: steps along the old directions would move what is frozen.
    """

    def __init__(
        self,
        parameters: list[torch.nn.Parameter],
        *,
        decaying: list[tuple[list[torch.nn.Parameter], float]],
        lr: float,
        iterations: int,
        history: int,
    ) -> None:
        super().__init__(parameters, lr=lr, max_iter=iterations, history_size=history, line_search_fn="strong_wolfe")
        self.decaying = decaying

    def step(self, closure: Callable[[], torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        """Search along up to `iterations` directions; returns the closure's first loss, without decay.

        `closure` zeroes the gradients, computes the loss over the whole of the data, calls backward and returns it.
        """
        losses: list[torch.Tensor] = []

        def decayed() -> torch.Tensor:
            loss = closure()
            self._make_gradients_contiguous()
            if not losses:
                self._begin_anew_where_others_learn()
            losses.append(loss)
            return loss + self._decay()

        try:
            super().step(decayed)
        except BaseException:
            self.state.clear()
            raise
        return losses[0]

    def _make_gradients_contiguous(self) -> None:
        for weight in self.param_groups[0]["params"]:
            if (
                weight.grad is not None and not weight.grad.is_contiguous()
            ):  # of a convolution, which torch's step views
                weight.grad = weight.grad.contiguous()

    def _begin_anew_where_others_learn(self) -> None:
        weights = self.param_groups[0]["params"]
        learning = [weight.requires_grad and weight.grad is not None for weight in weights]
        state = self.state[weights[0]]
        if state.get("learning", learning) != learning:
            state["n_iter"] = 0  # torch begins its history at iteration 1
        state["learning"] = learning

    @torch.no_grad()
    def _decay(self) -> torch.Tensor | float:
        """Add the decay to the gradients, and return what it adds to the loss."""
        penalty: torch.Tensor | float = 0.0
        for members, amount in self.decaying:
            for weight in members:
                if weight.grad is not None and weight.requires_grad:
                    weight.grad.add_(weight, alpha=amount)
                    penalty = penalty + 0.5 * amount * weight.square().sum()
        return penalty


def _lbfgs(
    groups: list[dict[str, Any]], *, lr: float, weight_decay: float, iterations: int, history: int
) -> torch.optim.Optimizer:
    """Return one optimizer over all groups. Raises `UsageError` where groups have different rates."""
    rates = sorted({float(group.get("lr", lr)) for group in groups})
    if len(rates) > 1:
        raise UsageError(
            "lbfgs cannot train parts of a model at different rates: it takes one step for all of it",
            evidence=f"the groups have the rates {', '.join(f'{value:g}' for value in rates)}",
            remedy="leave out optimizer.rates and optimizer.layer_decay (a rate of 0, which freezes, is allowed), or "
            "use another optimizer, such as 'adamw'",
        )
    decaying = [
        (list(group["params"]), float(amount))
        for group in groups
        if (amount := group.get("weight_decay", weight_decay))
    ]
    return LBFGS(
        [weight for group in groups for weight in group["params"]],
        decaying=decaying,
        lr=rates[0],
        iterations=iterations,
        history=history,
    )


LBFGS_SPEC = OptimizerSpec(
    name="lbfgs",
    summary="searches for the lowest loss along directions from a model of the curvature, on the whole of the data at "
    "once; decay as a part of the loss; one rate for all parts",
    formula="w <- w - t H g; H from the last steps and changes of gradient, t from a strong Wolfe line search",
    factory=_lbfgs,
    torch_class="LBFGS",
    options={
        "lr": rate(defaults.LBFGS_LEARNING_RATE),
        "weight_decay": decay(),
        "iterations": count(defaults.LBFGS_ITERATIONS, 1000),
        "history": count(defaults.LBFGS_HISTORY, 1000),
    },
    best_for="small models without dropout, on data that fit in one batch; high precision",
    reference="Nocedal and Wright 2006, chapters 3 and 7",
    closure=True,
)
