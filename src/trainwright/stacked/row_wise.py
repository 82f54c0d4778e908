"""The plain optimizers on all rows at once: their state stacked as the weights are, coefficients for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from trainwright.stacked.member import Member
from trainwright.stacked.row_views import RowViews
from trainwright.stacked.rules import Rule, rule_of
from trainwright.stacked.stepping import set_all_rates

FUSED_FROM = 2048
"""Numbers in a row from which torch's fused kernel, row after row, beats elementwise arithmetic on the whole stack.

Measured for AdamW on one core, 64 rows: 1,827 numbers 160 us against 134, 6,000 numbers 255 against 842, 26,122 numbers
1.7 ms against 5.7, where the stack no longer fits the cache.
"""


class RowWise:
    """The optimizers of all rows as stacked arithmetic. `views` hold the options of each row's groups.

    Takes optimizers for which `rule_of` knows one and the same rule and whose state counts the same steps for all
    parameters of a row: `row_wise` says so, and returns None where `RowViews` must do it.
    """

    def __init__(self, views: RowViews, rule: Rule) -> None:
        self.views = views
        self.rule = rule
        stack = views.stack
        self.slots = {name: torch.zeros_like(stack.flat) for name in rule.slots}
        self.made = torch.zeros(len(stack), device=stack.layout.device)
        for place, optimizer in enumerate(views.optimizers):
            self._read(place, optimizer)
        self._bind()

    def _read(self, place: int, optimizer: torch.optim.Optimizer) -> None:
        """Take the state of a row's optimizer over, which keeps none from then on."""
        rows = {name: self.views.stack.row(flat, place) for name, flat in self.slots.items()}
        for parameter, view in self.views.parameters(place).items():
            state = optimizer.state.pop(view, {})
            for name, row in rows.items():
                if state.get(name) is not None:
                    row[parameter].copy_(state[name])
                    self.made[place] = 1
            if "step" in state:
                self.made[place] = float(state["step"])

    def _bind(self) -> None:
        layout = self.views.stack.layout
        groups = self.views.optimizers[0].param_groups
        edges = [[slot for slot in layout.slots if slot.group == number] for number in range(len(groups))]
        self._columns = [(slots[0].start, slots[-1].stop) if slots else (0, 0) for slots in edges]
        self._rows: list[list[tuple]] | None = None

    def keep(self, places: Sequence[int]) -> None:
        """Let all but the rows at `places` go, as the stack did."""
        index = torch.tensor(places, device=self.made.device)
        self.slots = {name: slot.index_select(0, index) for name, slot in self.slots.items()}
        self.made = self.made.index_select(0, index)
        self.views.keep(places)
        self._bind()

    def step(
        self, rows: Sequence[int], members: Sequence[Member], bases: Sequence[Sequence[float]], steps: Sequence[int]
    ) -> None:
        """Update the rows at the places `rows`; every parameter has a gradient."""
        set_all_rates(rows, self.views.optimizers, bases, members, steps)
        stack = self.views.stack
        if self.rule.fused is not None and stack.layout.width >= FUSED_FROM and stack.flat.device.type == "cpu":
            self._step_fused(rows)
            return
        tensors = [stack.flat, *self.slots.values()]
        others = sorted(set(range(len(stack))) - set(rows))
        kept = [tensor[others] for tensor in tensors] if others else []
        self._step_all()
        if others:
            for tensor, values in zip(tensors, kept, strict=True):
                tensor[others] = values
            self.made[others] -= 1

    @torch.no_grad()
    def _step_all(self) -> None:
        stack, rule = self.views.stack, self.rule
        self.made += 1
        made = self.made.to(torch.float64)[:, None]
        named = [self._coefficients(number) for number in range(len(self._columns))]
        decay = [(c["weight_decay"], c["lr"]) for c in named]
        for (start, stop), (weight_decay, rate) in zip(self._columns, decay, strict=True):
            if stop > start and bool(weight_decay.any()):
                weights = stack.flat[:, start:stop]
                if rule.decoupled:
                    weights.mul_((1 - rate * weight_decay).to(weights.dtype))
                else:
                    stack.gradient[:, start:stop].addcmul_(weights, weight_decay.to(weights.dtype))
        for start, stop, c in _merged(self._columns, named):
            values = {name: value.to(stack.flat.dtype) for name, value in {**c, "made": made}.items()}
            slots = {name: slot[:, start:stop] for name, slot in self.slots.items()}
            rule.update(stack.flat[:, start:stop], stack.gradient[:, start:stop], slots, values)

    def _coefficients(self, number: int) -> dict[str, torch.Tensor]:
        """Return the coefficients of a group in each row, float64 `(K, 1)`."""
        groups = [optimizer.param_groups[number] for optimizer in self.views.optimizers]
        rows = [{**self.rule.coefficients(group), **_common(group)} for group in groups]
        device = self.made.device
        return {
            name: torch.tensor([[row[name]] for row in rows], dtype=torch.float64, device=device) for name in rows[0]
        }

    @torch.no_grad()
    def _step_fused(self, rows: Sequence[int]) -> None:
        assert self.rule.fused is not None
        if self._rows is None:
            self._rows = [self._row_views(place) for place in range(len(self.views.stack))]
        self.made[list(rows)] += 1
        for place in rows:
            for group, (weights, gradient, slots, made) in zip(
                self.views.optimizers[place].param_groups, self._rows[place], strict=True
            ):
                self.rule.fused(weights, gradient, slots, made, {**self.rule.coefficients(group), **_common(group)})

    def _row_views(self, place: int) -> list[tuple]:
        stack = self.views.stack
        return [
            (
                stack.flat[place, start:stop],
                stack.gradient[place, start:stop],
                {name: slot[place, start:stop] for name, slot in self.slots.items()},
                self.made[place],
            )
            for start, stop in self._columns
        ]

    def unstacked(self) -> RowViews:
        """Return the optimizers with their state, each on its own row, which go on from here by themselves."""
        for place, optimizer in enumerate(self.views.optimizers):
            self._write(place, optimizer, self.views.parameters(place))
        return self.views

    def optimizer(self, place: int, parameters: Mapping[str, torch.Tensor]) -> torch.optim.Optimizer:
        """Return a copy of a row's optimizer, with its state, over other tensors, by the names of the parameters."""
        copied = self.views.optimizer(place, parameters)
        self._write(place, copied, parameters)
        return copied

    def _write(self, place: int, optimizer: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> None:
        made = float(self.made[place])
        if not made and type(optimizer) is not torch.optim.Adagrad:  # which has its state from the start
            return
        rows = {name: self.views.stack.row(slot, place) for name, slot in self.slots.items()}
        for slot in self.views.stack.layout.slots:
            group = optimizer.param_groups[slot.group]
            if not self.rule.counts and not group["momentum"]:
                continue
            state = {"step": torch.tensor(made)} if self.rule.counts else {}
            values = {name: row[slot.name].clone() for name, row in rows.items()}
            optimizer.state[parameters[slot.name]] = {**state, **values}


def _common(group: Mapping) -> dict[str, float]:
    return {"lr": float(group["lr"]), "weight_decay": float(group["weight_decay"])}


def _merged(
    columns: Sequence[tuple[int, int]], named: Sequence[Mapping[str, torch.Tensor]]
) -> list[tuple[int, int, Mapping[str, torch.Tensor]]]:
    """Return the groups' columns, neighbours as one where nothing but the decay tells them apart."""
    found: list[tuple[int, int, Mapping[str, torch.Tensor]]] = []
    for (start, stop), c in zip(columns, named, strict=True):
        if start == stop:
            continue
        alike = found and all(torch.equal(found[-1][2][name], c[name]) for name in c if name != "weight_decay")
        if alike:
            found[-1] = (found[-1][0], stop, found[-1][2])
        else:
            found.append((start, stop, c))
    return found


def row_wise(views: RowViews) -> RowWise | None:
    """Return the stacked arithmetic for the rows of `views`, which gives its state to it; None where there is none."""
    rules = [rule_of(optimizer) for optimizer in views.optimizers]
    rule = rules[0]
    if rule is None or any(other is not rule for other in rules):
        return None
    for place, optimizer in enumerate(views.optimizers):
        hooks = [optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks]
        states = [optimizer.state.get(view, {}) for view in views.parameters(place).values()]
        counts = {float(state.get("step", 0)) for state in states}
        if any(hooks) or len(counts) > 1 or len({bool(state) for state in states}) > 1:
            return None
    return RowWise(views, rule)
