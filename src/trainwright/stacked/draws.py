"""What each row draws by chance: from its own seed, so that no row's masks depend on how many rows there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from trainwright.randomness import derive
from trainwright.stacked.attention import attention

_FEATURE_DROPOUTS = (F.dropout1d, F.dropout2d, F.dropout3d)


class Draws:
    """A generator for each row, and the masks of dropout drawn from them.

    On a CPU a mask is, bit for bit, what torch's own dropout draws in a stand-alone run whose step begins with
    `seed_step`; on an accelerator, where torch draws within its kernels, it is the same in distribution.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device, rows: slice) -> None:
        self.seeds = list(seeds)
        self.rows = rows  # of the array, of which others may draw for themselves
        self.generators = [torch.Generator(device) for _ in seeds]
        self._steps: Sequence[int] = ()
        self._started = False

    def begin(self, steps: Sequence[int]) -> None:
        """Let every row draw as in its step `steps[k]` from here on."""
        self._steps, self._started = steps, False

    def mask(self, rates: Sequence[float], shape: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        """Return the factors `(K, *shape)` of a dropout with each row's own rate: 0, or one over what is kept."""
        if not self._started:
            for generator, seed, step in zip(self.generators, self.seeds, self._steps, strict=True):
                generator.manual_seed(derive(seed, "step", step))
            self._started = True
        mask = torch.empty(len(self.seeds), *shape, dtype=like.dtype, device=like.device)
        for row, rate, generator in zip(mask.unbind(), rates, self.generators, strict=True):
            if 0 < rate < 1:
                row.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
            else:
                row.fill_(1 - rate)  # torch draws nothing for a rate of 0 or 1 either
        return mask


class RowRates(float):
    """The rates of one dropout in all rows, where its module has a single number: a number still, the first row's."""

    rates: tuple[float, ...]

    def __new__(cls, rates: Sequence[float]) -> RowRates:
        """Return the rates as a number that knows the others."""
        number = super().__new__(cls, rates[0])
        number.rates = tuple(rates)
        return number


def rates_by_module(models: Sequence[nn.Module]) -> dict[str, RowRates]:
    """Return the rates of every dropout of the models, by the module's name."""
    return {
        name: RowRates([float(model.get_submodule(name).p) for model in models])  # type: ignore[arg-type]
        for name, module in models[0].named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd)
    }


class RowFunctions(TorchFunctionMode):
    """Computes, within a vmap over the rows, what torch's vmap cannot: dropout from each row's draws, and attention.

    `anchor` is any tensor that vmap has split. Without `draws` nothing is dropped.
    """

    def __init__(self, draws: Draws | None, anchor: torch.Tensor) -> None:
        super().__init__()
        self.draws = draws
        self.anchor = anchor

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None) -> Any:
        """Replace calls of dropout and of attention; all else goes on as it is."""
        given = dict(kwargs or {})
        if func is F.scaled_dot_product_attention:
            draws = self.draws
            return attention((args, given), None if draws is None else partial(self._dropped, draws, F.dropout))
        if self.draws is None:
            return func(*args, **given)
        if func is F.dropout or func in _FEATURE_DROPOUTS:
            values = {**dict(zip(("input", "p", "training", "inplace"), args, strict=False)), **given}
            if values.get("training", True):
                return self._dropped(self.draws, func, values["input"], values.get("p", 0.5))
        return func(*args, **given)

    def _dropped(self, draws: Draws, func: Any, x: torch.Tensor, rate: float | RowRates) -> torch.Tensor:
        rates = rate.rates[draws.rows] if isinstance(rate, RowRates) else (float(rate),) * len(draws.seeds)
        if not any(rates):
            return x
        shape = tuple(x.shape)
        if func is not F.dropout:  # whole channels: torch draws one number for each
            if x.dim() < 3:
                raise RuntimeError(f"{func.__name__} on {x.dim()} axes has no rule for many rows")
            shape = (*shape[:2], *[1] * (x.dim() - 2))
        return x * _Mask.apply(self.anchor, x, draws, rates, shape)


class _Mask(torch.autograd.Function):
    """The masks of all rows as one tensor that vmap takes for split: the rule of its own sees all rows at once."""

    @staticmethod
    def forward(anchor: torch.Tensor, like: torch.Tensor, draws: Draws, rates: Any, shape: Any) -> torch.Tensor:
        raise RuntimeError("the rows' dropout was called outside the vmap over the rows")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: a mask has no gradient."""

    @staticmethod
    def vmap(  # type: ignore[override]
        info: Any, in_dims: Any, anchor: torch.Tensor, like: torch.Tensor, draws: Draws, rates: Any, shape: Any
    ) -> tuple[torch.Tensor, int]:
        return draws.mask(rates, shape, like), 0
