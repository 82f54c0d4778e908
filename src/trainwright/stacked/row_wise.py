"""The plain optimizers on all rows at once: their state stacked as the weights are, coefficients for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from trainwright.stacked.member import Member
from trainwright.stacked.row_views import RowViews
from trainwright.stacked.rules import Rule, Updater, rule_of
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
        slots = [[slot for slot in layout.slots if slot.group == number] for number in range(len(groups))]
        self._columns = [(inside[0].start, inside[-1].stop) if inside else (0, 0) for inside in slots]
        self._updaters: list[list[Updater]] | None = None
        self._steady: list[dict[str, torch.Tensor]] | None = None

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
        if set_all_rates(rows, self.views.optimizers, bases, members, steps):
            self._steady = None
        stack = self.views.stack
        if self.rule.fused is not None and stack.layout.width >= FUSED_FROM and stack.flat.device.type == "cpu":
            self._step_fused(rows)
            return
        tensors = [stack.flat, *self.slots.values()]
        others = sorted(set(range(len(stack))) - set(rows))
        kept = [tensor[others] for tensor in tensors] if others else []
        self._step_all(bases)
        if others:
            for tensor, values in zip(tensors, kept, strict=True):
                tensor[others] = values
            self.made[others] -= 1

    @torch.no_grad()
    def _step_all(self, bases: Sequence[Sequence[float]]) -> None:
        stack, rule = self.views.stack, self.rule
        if self._steady is None:
            self._steady = [self._coefficients(number) for number in range(len(self._columns))]
        self.made += 1
        rates = self._column([[group["lr"] for group in row.param_groups] for row in self.views.optimizers])
        named = [{**c, "lr": rates[:, number, None]} for number, c in enumerate(self._steady)]
        for (start, stop), c in zip(self._columns, named, strict=True):
            if "weight_decay" in c and stop > start:
                weights = stack.flat[:, start:stop]
                if rule.decoupled:
                    weights.mul_((1 - c["lr"] * c["weight_decay"]).to(weights.dtype))
                else:
                    stack.gradient[:, start:stop].addcmul_(weights, c["weight_decay"].to(weights.dtype))
        made = self.made.to(torch.float64)[:, None]
        for start, stop, c in _merged(self._columns, named, bases):
            values = rule.prepared({**c, "made": made})
            slots = {name: slot[:, start:stop] for name, slot in self.slots.items()}
            typed = {name: value.to(stack.flat.dtype) for name, value in values.items()}
            rule.update(stack.flat[:, start:stop], stack.gradient[:, start:stop], slots, typed)

    def _coefficients(self, number: int) -> dict[str, torch.Tensor]:
        """Return the coefficients of a group in each row but the rate, float64 `(K, 1)`; a decay only where one is."""
        groups = [optimizer.param_groups[number] for optimizer in self.views.optimizers]
        rows = [self.rule.coefficients(group) for group in groups]
        found = {name: self._column([[row[name]] for row in rows]) for name in rows[0]}
        if any(group["weight_decay"] for group in groups):
            found["weight_decay"] = self._column([[group["weight_decay"]] for group in groups])
        return found

    def _column(self, values: list[list[float]]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.made.device)

    @torch.no_grad()
    def _step_fused(self, rows: Sequence[int]) -> None:
        if self._updaters is None:
            self._updaters = [self._row_updaters(place) for place in range(len(self.views.stack))]
        self.made[list(rows)] += 1
        for place in rows:
            for group, update in zip(self.views.optimizers[place].param_groups, self._updaters[place], strict=True):
                update(group)

    def _row_updaters(self, place: int) -> list[Updater]:
        stack, fused = self.views.stack, self.rule.fused
        assert fused is not None
        return [
            fused(
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


def _merged(
    columns: Sequence[tuple[int, int]], named: Sequence[Mapping[str, torch.Tensor]], bases: Sequence[Sequence[float]]
) -> list[tuple[int, int, Mapping[str, torch.Tensor]]]:
    """Return the groups' columns, neighbours as one where nothing but the decay tells them apart in any row."""
    found: list[tuple[int, int, Mapping[str, torch.Tensor]]] = []
    last = 0
    for number, ((start, stop), c) in enumerate(zip(columns, named, strict=True)):
        if start == stop:
            continue
        same_rate = all(row[number] == row[last] for row in bases)
        names = c.keys() - {"lr", "weight_decay"}
        if found and same_rate and all(torch.equal(found[-1][2][name], c[name]) for name in names):
            found[-1] = (found[-1][0], stop, found[-1][2])
        else:
            found.append((start, stop, c))
            last = number
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
