"""Who owns which parameter: the model, an optimizer, both, or nobody. Looked at in the first steps; all of it exact."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from trainwright.watching.graphs import leaves
from trainwright.watching.models import Models, Pass
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_NAMED = 3  # names that are shown


class MembershipBooks:
    """Compares, over the first steps, what ran, what got a gradient, and what optimizers hold."""

    def __init__(self, sightings: Sightings, models: Models) -> None:
        self._sightings = sightings
        self._models = models
        self._passes: list[Pass] = []
        self._leaves: dict[int, torch.Tensor] = {}
        self._place: Place | None = None
        self._ran: dict[int, nn.Module] = {}  # modules with parameters that ran with gradients on
        self._cut: set[int] = set()  # of them, those whose output went on as a tensor without a graph
        self._strangers: dict[int, tuple[nn.Module, nn.Module]] = {}  # ran inside of a root that does not know them
        self._last: nn.Module | None = None  # the leaf with parameters that ran last: the output layer

    def passed(self, seen: Pass) -> None:
        """A pass with gradients on is over."""
        if not seen.calls:
            return
        known = {id(module) for module in seen.root.modules()}
        reaching = {tensor.data_ptr() for call in seen.calls for tensor in call.inputs if tensor.grad_fn is None}
        for call in seen.calls:
            own = [parameter for parameter in call.module.parameters(recurse=False) if parameter.requires_grad]
            if not own:
                continue
            self._ran[id(call.module)] = call.module
            if call.leaf:
                self._last = call.module
            made = [tensor for tensor in call.outputs if tensor.grad_fn is not None]
            if made and any(tensor.data_ptr() in reaching for tensor in made):
                self._cut.add(id(call.module))
            if id(call.module) not in known and made:
                self._strangers[id(call.module)] = (call.module, seen.root)
            if call.module is not seen.root and isinstance(call.module, nn.modules.batchnorm._BatchNorm):
                self._batch_norm(call.module, call.inputs, seen)
        self._passes = [*self._passes[-7:], seen]

    def backward_begins(self, loss: torch.Tensor, place: Place | None) -> None:
        """Note which leaves this loss reaches."""
        self._place = place
        for leaf in leaves(loss):
            self._leaves[id(leaf)] = leaf

    def backward_ends(self) -> None:
        """What the passes held is no longer needed."""
        for seen in self._passes:
            seen.calls.clear()
        self._passes.clear()

    def step_over(self, owner: Owner, owners: Iterable[Owner]) -> None:
        """Judge membership after a step, while gradients may still lie there."""
        step = self._sightings.step
        held = {id(parameter): parameter for other in owners for parameter in other.parameters()}
        if step >= 2:
            self._unowned(held, owner)
            self._unregistered(held)
            self._stale(owner)
            self._without_gradient(owner)
        if step >= 1:
            self._frozen(owner)
        if step >= 3:
            self._ran.clear()
            self._leaves.clear()

    def _unowned(self, held: dict[int, torch.Tensor], owner: Owner) -> None:
        """Trainable parameters that get gradients, and no optimizer."""
        names, missing, elements = [], 0, 0
        reached = 0
        output_layer = False
        for root in self._models.roots():
            for name, parameter in root.named_parameters():
                if not parameter.requires_grad or id(parameter) not in self._leaves:
                    continue
                reached += parameter.numel()
                if id(parameter) not in held:
                    names.append(name)
                    missing += 1
                    elements += parameter.numel()
                    mine = self._last is not None and any(part is parameter for part in self._last.parameters())
                    output_layer = output_layer or mine
        if missing:
            facts = {
                "count": missing,
                "share": elements / max(reached, 1),
                "names": ", ".join(names[:_NAMED]),
                "output_layer": output_layer,
            }
            self._sightings.note("parameters-unowned", owner.made or owner.step_place, facts)

    def _unregistered(self, held: dict[int, torch.Tensor]) -> None:
        """Modules that run inside of a model which does not know them."""
        lost = [
            (module, root)
            for module, root in self._strangers.values()
            if not any(id(parameter) in held for parameter in module.parameters())
            and any(id(parameter) in self._leaves for parameter in module.parameters())
        ]
        if lost:
            module, root = lost[0]
            facts = {
                "count": len(lost),
                "module": type(root).__name__,
                "attribute": _attribute(root, module),
                "layer": type(module).__name__,
            }
            self._sightings.note("parameters-unregistered", None, facts, count=len(lost))

    def _stale(self, owner: Owner) -> None:
        """Parameters of an optimizer that a twin of the same shape has replaced in the model."""
        optimizer = owner.optimizer()
        if optimizer is None:
            return
        mine = list(owner.parameters())
        models = {id(parameter): parameter for root in self._models.roots() for parameter in root.parameters()}
        held = {id(parameter) for parameter in mine}
        orphans = [parameter for parameter in mine if id(parameter) not in models and parameter.grad is None]
        orphans = [parameter for parameter in orphans if id(parameter) not in self._leaves]
        names = []
        for root in self._models.roots():
            for name, parameter in root.named_parameters():
                twin = any(orphan.shape == parameter.shape for orphan in orphans)
                if twin and id(parameter) not in held and id(parameter) in self._leaves:
                    names.append(name)
        if names:
            facts = {"count": len(names), "names": ", ".join(names[:_NAMED]), "optimizer": owner.name}
            self._sightings.note("parameters-not-in-model", owner.made or owner.step_place, facts)

    def _without_gradient(self, owner: Owner) -> None:
        """Parameters of an optimizer whose module ran, and whose output went on without its graph."""
        held = {id(parameter) for parameter in owner.parameters()}
        names = []
        for root in self._models.roots():
            for path, module in root.named_modules():
                if id(module) not in self._ran:
                    continue
                for name, parameter in module.named_parameters(recurse=False):
                    alone = parameter.requires_grad and id(parameter) in held and id(parameter) not in self._leaves
                    if alone and parameter.grad is None:
                        names.append((f"{path}.{name}".lstrip("."), id(module) in self._cut))
        if any(cut for _, cut in names):
            facts = {"count": len(names), "names": ", ".join(name for name, _ in names[:_NAMED])}
            self._sightings.note("parameters-without-gradient", self._place, facts)

    def _frozen(self, owner: Owner) -> None:
        """Groups of an optimizer in which nothing can be trained."""
        optimizer = owner.optimizer()
        if optimizer is None:
            return
        frozen = [parameter for parameter in owner.parameters() if not parameter.requires_grad]
        trainable = sum(parameter.requires_grad for parameter in owner.parameters())
        whole = any(
            group["params"] and not any(parameter.requires_grad for parameter in group["params"])
            for group in optimizer.param_groups
        )
        if frozen and whole:
            known = {id(p): name for root in self._models.roots() for name, p in root.named_parameters()}
            names = [known[id(parameter)] for parameter in frozen if id(parameter) in known]
            facts = {"count": len(frozen), "names": ", ".join(names[:_NAMED]), "trainable": trainable}
            self._sightings.note("parameters-frozen", owner.made or owner.step_place, facts)

    def _batch_norm(self, module: nn.Module, inputs: list[torch.Tensor], seen: Pass) -> None:
        """Batch normalisation in training mode on very few values."""
        if module.training and inputs and inputs[0].dim() >= 2:
            samples = inputs[0].shape[0]
            values = inputs[0].numel() // max(inputs[0].shape[1], 1)
            if samples < 8:
                facts = {"samples": samples, "values": values}
                self._sightings.note("batch-of-one-normalised", seen.place, facts)


def _attribute(root: nn.Module, module: nn.Module) -> str:
    """Return the attribute of a model whose list or dictionary holds a module that the model does not know."""
    for path, part in root.named_modules():
        for name, value in vars(part).items():
            if name.startswith("_"):
                continue
            items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
            for item in items:
                inside = list(item.modules()) if isinstance(item, nn.Module) else []
                if any(entry is module for entry in inside):
                    return f"{path}.{name}".lstrip(".")
    return ""
