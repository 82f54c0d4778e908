"""The forward pass of all rows at once: torch's vmap over the stacked weights of any model that it can take."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from trainwright.stacked.draws import Draws, RowFunctions, RowRates
from trainwright.stacked.layout import hidden
from trainwright.stacked.member import CannotStack
from trainwright.stacked.stack import Piece


class VmapForward:
    """`template`, one model, computed with the weights of every row of the stack on one batch."""

    def __init__(self, template: nn.Module, rates: Mapping[str, RowRates]) -> None:
        self.template = template
        self._proven: set[bool] = set()  # without draws, with them
        self.set_rates(rates)

    def set_rates(self, rates: Mapping[str, RowRates]) -> None:
        """Give every dropout the rates of all rows, of which each pass uses one for each row."""
        for name, found in rates.items():
            self.template.get_submodule(name).p = found  # type: ignore[assignment]

    def __call__(self, piece: Piece, x: torch.Tensor, draws: Draws | None = None) -> torch.Tensor:
        """Return the outputs `(K, N, ...)`; raises `CannotStack`, with the reason, where vmap cannot compute them.

        Without `draws` nothing may be drawn by chance.
        """
        if (draws is None) in self._proven:
            return self._run(piece, x, draws)
        _refuse(self.template)
        with _strict(self.template):
            outputs = self._run(piece, x, draws)
        if not isinstance(outputs, torch.Tensor):
            raise CannotStack("the model's output is not one tensor", evidence=type(outputs).__name__)
        self._proven.add(draws is None)
        return outputs

    def _run(self, piece: Piece, x: torch.Tensor, draws: Draws | None) -> torch.Tensor:
        places = {name: None if name in piece.shared else 0 for name in piece.constants}
        anchor = torch.empty(len(piece), device=piece.gradient.device)

        def row(leaves: dict, constants: dict, buffers: dict, anchor: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            with RowFunctions(draws, anchor):
                return functional_call(self.template, {**leaves, **constants, **buffers}, (x,))

        run = vmap(row, in_dims=(0, places, 0, 0, None), randomness="error")
        return run(piece.leaves, piece.constants, piece.buffers, anchor, x)


def _refuse(template: nn.Module) -> None:
    """Raise `CannotStack` for what no error would tell of, or none that names the module."""
    for name, module in template.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise CannotStack(
                f"'{name}' ({type(module).__name__}) cannot be computed for all rows at once",
                evidence="its gradient is sparse, and cannot be stacked",
            )
    found = hidden(template)
    if found is not None:
        name, module, attribute = found
        raise CannotStack(
            f"'{name}' ({type(module).__name__}) cannot be computed for all rows at once",
            evidence=f"it keeps parameters in its attribute '{attribute}', where a row's own cannot take their place",
        )


@contextmanager
def _strict(template: nn.Module) -> Iterator[None]:
    """Turn whatever the stacked program does otherwise than the model alone, or not at all, into `CannotStack`."""
    before = _plain_attributes(template)
    functorch: Any = torch._C._functorch  # type: ignore[attr-defined]
    fallback = functorch._is_vmap_fallback_enabled()
    functorch._set_vmap_fallback_enabled(False)  # it would compute row after row, with a warning at most
    try:
        yield
    except CannotStack:
        raise
    except Exception as problem:
        raise CannotStack(
            f"{_where(template, problem)} cannot be computed for all rows at once", evidence=_first_sentence(problem)
        ) from problem
    finally:
        functorch._set_vmap_fallback_enabled(fallback)
    after = _plain_attributes(template)
    changed = sorted(key for key in {**before, **after} if before.get(key) is not after.get(key))
    if changed:
        raise CannotStack(
            "the model keeps something from one forward pass to the next", evidence=f"it sets {', '.join(changed)}"
        )


def _plain_attributes(model: nn.Module) -> dict[str, Any]:
    return {
        f"{name or type(module).__name__}.{attribute}": value
        for name, module in model.named_modules()
        for attribute, value in vars(module).items()
    }


def _where(template: nn.Module, problem: Exception) -> str:
    """Return the innermost module in whose code the exception was raised, in words."""
    names = {module: name for name, module in template.named_modules()}
    found = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(problem.__traceback__)]
    inside = [module for module in found if isinstance(module, nn.Module) and names.get(module)]
    if not inside:
        return f"the model ({type(template).__name__})"
    return f"'{names[inside[-1]]}' ({type(inside[-1]).__name__})"


def _first_sentence(problem: Exception) -> str:
    text = " ".join(str(problem).split())
    return text if len(text) <= 300 else text[:297] + "..."
