"""Any optimizer of torch on rows of the stack: each row's own, over views that share the stack's memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch

from trainwright.parts.optimizers import averaged
from trainwright.stacked.copying import optimizer_copy
from trainwright.stacked.member import Member
from trainwright.stacked.stack import Stack
from trainwright.stacked.stepping import set_all_rates


class RowViews:
    """K ordinary optimizers, which step one after the other on what the stack has computed for all rows at once."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.optimizers: list[torch.optim.Optimizer] = []
        self._views: list[dict[str, torch.nn.Parameter]] = []

    def add(self, members: Sequence[Member]) -> None:
        """Take the optimizers of `members` in, whose rows the stack has got."""
        for member in members:
            place = len(self._views)
            names = {parameter: name for name, parameter in member.model.named_parameters()}
            views = {name: torch.nn.Parameter(view) for name, view in self.stack.row(self.stack.flat, place).items()}
            # A parameter that takes no gradient stands in the optimizer too: there it is left alone, as torch does.
            replaced: dict[torch.Tensor, torch.Tensor] = {
                entry: views.get(name, entry) for entry, name in names.items()
            }
            self.optimizers.append(optimizer_copy(member.optimizer, replaced))
            self._views.append(views)
        self._bind()

    def keep(self, places: Sequence[int]) -> None:
        """Let all but the rows at `places` go, as the stack did."""
        self.optimizers = [self.optimizers[place] for place in places]
        self._views = [self._views[place] for place in places]
        self._bind()

    def _bind(self) -> None:
        for place, views in enumerate(self._views):
            current = self.stack.row(self.stack.flat, place)
            for name, view in views.items():
                view.data = current[name]

    def step(
        self,
        rows: Sequence[int],
        members: Sequence[Member],
        bases: Sequence[Sequence[float]],
        steps: Sequence[int],
        present: Sequence[bool],
    ) -> None:
        """Update the rows at the places `rows`; `present` says which parameters have a gradient in this step."""
        set_all_rates(rows, self.optimizers, bases, members, steps)
        for place in rows:
            gradients = self.stack.row(self.stack.gradient, place)
            for (name, view), there in zip(self._views[place].items(), present, strict=True):
                view.grad = gradients[name] if there else None
            self.optimizers[place].step()

    def optimizer(self, place: int, parameters: Mapping[str, torch.Tensor]) -> torch.optim.Optimizer:
        """Return a copy of a row's optimizer over other tensors, by the names of the parameters."""
        return optimizer_copy(
            self.optimizers[place], {view: parameters[name] for name, view in self._views[place].items()}
        )

    def parameters(self, place: int) -> Mapping[str, torch.Tensor]:
        """Return the trained parameters of a row as its optimizer holds them, by name."""
        return self._views[place]

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the stack hold the weights for evaluation during the block."""
        with ExitStack() as stack:
            for optimizer in self.optimizers:
                stack.enter_context(averaged(optimizer))
            yield
