"""Who owns which parameter: the model, an optimizer, both, or nobody. Looked at in the first steps; all of it exact."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from trainwright.vitals.frames import CUTS
from trainwright.watching.graphs import leaves
from trainwright.watching.models import Call, Models, Pass
from trainwright.watching.origins import Origins
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings
from trainwright.watching.written import freezing_line, keeping_attribute

_NAMED = 3  # names that are shown
_SMALL = 4096  # elements of weights of which copies are kept, to see whether they move
_FOLLOWERS = re.compile(r"teacher|target|ema|momentum|shadow", re.IGNORECASE)  # kept up to date by other means
_ENDS = re.compile(r"^\s*(async\s+def|def|class)\b|^\s*@|backward\(")
_BELOW = 12  # lines behind a call that are looked through for what cuts its graph


class MembershipBooks:
    """Compares, over the first steps, what ran, what got a gradient, and what optimizers hold."""

    def __init__(self, sightings: Sightings, models: Models, origins: Origins) -> None:
        self._sightings = sightings
        self._models = models
        self._origins = origins
        self._passes: list[Pass] = []
        self._leaves: dict[int, torch.Tensor] = {}
        self._place: Place | None = None
        self._ran: dict[int, nn.Module] = {}  # modules with parameters that ran with gradients on
        self._frozen_ran: dict[int, nn.Module] = {}  # modules that ran, and none of whose parameters can learn
        self._cut: dict[int, Place | None] = {}  # of them, those whose output went on without a graph, and their lines
        self._weights: dict[int, tuple[int, torch.Tensor | None]] = {}  # version, and a copy of small ones, at first
        self._strangers: dict[int, tuple[nn.Module, nn.Module]] = {}  # ran inside of a root that does not know them
        self._last: nn.Module | None = None  # the leaf with parameters that ran last: the output layer
        self.copies_of_half = False  # an optimizer steps copies in float32 of weights in float16

    def passed(self, seen: Pass) -> None:
        """A pass with gradients on is over."""
        if not seen.calls:
            return
        known = {id(module) for module in seen.root.modules()}
        for index, call in enumerate(seen.calls):
            if call.module is not seen.root and isinstance(call.module, nn.modules.batchnorm._BatchNorm):
                self._batch_norm(call, seen)
            own = [parameter for parameter in call.module.parameters(recurse=False) if parameter.requires_grad]
            if not own:
                if call.leaf and next(call.module.parameters(recurse=False), None) is not None:
                    self._frozen_ran[id(call.module)] = call.module
                continue
            self._ran[id(call.module)] = call.module
            if call.leaf:
                self._last = call.module
            made = [tensor for tensor in call.outputs if tensor.grad_fn is not None]
            if call.module is not seen.root and (not made or _goes_on(call, seen, index)):
                self._cut.setdefault(id(call.module), cutting_line(call.place) if made else call.place)
            if id(call.module) not in known and made:
                self._strangers[id(call.module)] = (call.module, seen.root)
        self._passes = [*self._passes[-7:], seen]

    def backward_begins(self, loss: torch.Tensor, place: Place | None) -> None:
        """Note which leaves this loss reaches."""
        self._place = place
        for leaf in leaves(loss):
            self._leaves[id(leaf)] = leaf
            if id(leaf) not in self._weights:
                small = leaf.detach().clone() if leaf.numel() <= _SMALL else None
                self._weights[id(leaf)] = (leaf._version, small)

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
            self._frozen_as_made(owner)
        if step >= 3:
            self._ran.clear()
            self._frozen_ran.clear()
            self._leaves.clear()

    def _unowned(self, held: dict[int, torch.Tensor], owner: Owner) -> None:
        """Trainable parameters that get gradients, and no optimizer."""
        names, missing, elements = [], 0, 0
        reached = 0
        output_layer = False
        copies = self._copies(held)
        for root in self._models.roots():
            for name, parameter in root.named_parameters():
                if not parameter.requires_grad or id(parameter) not in self._leaves:
                    continue
                reached += parameter.numel()
                if id(parameter) in held:
                    continue
                if _stood_for(parameter, copies):
                    self.copies_of_half = self.copies_of_half or parameter.dtype is torch.float16
                elif not self._moved(parameter):
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
        if not lost:
            self._unregistered_weights(held)
        if lost:
            module, root = lost[0]
            facts = {
                "count": len(lost),
                "module": type(root).__name__,
                "attribute": _attribute(root, module),
                "layer": type(module).__name__,
            }
            place = self._origins.of_module(module)
            self._sightings.note("parameters-unregistered", place, facts, count=len(lost))

    def _copies(self, held: dict[int, torch.Tensor]) -> list[torch.Tensor]:
        """Return what optimizers hold that has a gradient, and that no loss reaches: somebody carries it there."""
        return [part for part in held.values() if id(part) not in self._leaves and part.grad is not None]

    def _unregistered_weights(self, held: dict[int, torch.Tensor]) -> None:
        """Parameters in a plain list or dictionary of a model, which get gradients that nobody uses."""
        roots = self._models.roots()
        known = {id(parameter) for root in roots for parameter in root.parameters()} | held.keys()
        copies = self._copies(held)
        lost = {
            key: leaf
            for key, leaf in self._leaves.items()
            if key not in known
            and isinstance(leaf, nn.Parameter)
            and not _stood_for(leaf, copies)
            and not self._moved(leaf)
        }
        for path, part in (pair for root in roots for pair in root.named_modules() if lost):
            for name, value in vars(part).items():
                items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
                mine = [] if name.startswith("_") else [item for item in items if id(item) in lost]
                if mine:
                    facts = {
                        "count": len(mine),
                        "module": type(part).__name__,
                        "attribute": f"{path}.{name}".lstrip("."),
                        "layer": "Parameter",
                    }
                    place = keeping_attribute(part, name) or self._place
                    self._sightings.note("parameters-unregistered", place, facts, count=len(mine))
                    return

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
        cut, idle, place = [], [], self._place
        for root in self._models.roots():
            for path, module in root.named_modules():
                if id(module) not in self._ran:
                    continue
                for name, parameter in module.named_parameters(recurse=False):
                    alone = parameter.requires_grad and id(parameter) in held and id(parameter) not in self._leaves
                    if not alone or parameter.grad is not None or _FOLLOWERS.search(path):
                        continue
                    if id(module) in self._cut and not cut:
                        place = self._cut[id(module)] or place
                    (cut if id(module) in self._cut else idle).append(f"{path}.{name}".lstrip("."))
        if cut or idle:
            facts = {"count": len(cut or idle), "names": ", ".join((cut or idle)[:_NAMED]), "feeds": bool(cut)}
            self._sightings.note("parameters-without-gradient", place if cut else self._place, facts)

    def _moved(self, parameter: torch.Tensor) -> bool:
        """Say whether a parameter that no optimizer holds is kept up to date by other means."""
        version, small = self._weights.get(id(parameter), (parameter._version, None))
        return parameter._version != version or (small is not None and not torch.equal(small, parameter.detach()))

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
            made = owner.made or owner.step_place
            # Where nothing learns, what froze them is at fault; beside others, that they were given to an optimizer.
            place = made if trainable else freezing_line(made) or made
            self._sightings.note("parameters-frozen", place, facts)

    def _frozen_as_made(self, owner: Owner) -> None:
        """Layers that an optimizer was given and cannot train, and that hold what their constructor drew by chance."""
        held = {id(parameter) for parameter in owner.parameters() if not parameter.requires_grad}
        if not held or not any(parameter.requires_grad for parameter in owner.parameters()):
            return
        names = [
            path
            for root in self._models.roots()
            for path, module in root.named_modules()
            if id(module) in self._frozen_ran
            and all(id(parameter) in held for parameter in module.parameters(recurse=False))
            and self._origins.untouched(module)
        ]
        if names:
            facts = {"count": len(names), "names": ", ".join(names[:_NAMED])}
            made = owner.made or owner.step_place
            self._sightings.note("layers-frozen-as-made", freezing_line(made) or made, facts)

    def _batch_norm(self, call: Call, seen: Pass) -> None:
        """Batch normalisation in training mode on very few values."""
        if call.module.training and call.inputs and call.inputs[0].dim() >= 2:
            self._sightings.chance("batch-of-one-normalised")
            samples = call.inputs[0].shape[0]
            values = call.inputs[0].numel() // max(call.inputs[0].shape[1], 1)
            if samples < 8:
                facts = {"samples": samples, "values": values}
                place = self._origins.of_module(call.module) or seen.place
                self._sightings.note("batch-of-one-normalised", place, facts)


def cutting_line(called: Place | None) -> Place | None:
    """Return the first line, from a call on to the end of the forward pass, that cuts a graph; else the call's own."""
    if called is None:
        return None
    file, line = called
    for number, text in enumerate(linecache.getlines(file)[line - 1 : line - 1 + _BELOW], line):
        code = text.split("#")[0]
        if _ENDS.search(code) and number > line:
            break
        if CUTS.search(code):
            return file, number
        if code.strip().startswith("return"):
            break
    return called


def _stood_for(parameter: torch.Tensor, copies: Iterable[torch.Tensor]) -> bool:
    """Say whether an optimizer steps a copy of a parameter, or one tensor that copies of many lie in.

    Such a copy has a gradient and no loss reaches it: somebody carries the gradients to it, and its values back.
    """
    return any(
        copy.shape == parameter.shape or (copy.dim() == 1 and copy.numel() > parameter.numel()) for copy in copies
    )


def _goes_on(call: Call, seen: Pass, index: int) -> bool:
    """Say whether something without a graph went into a later layer that is, or looks like, what a module made.

    It is where both share their memory; it looks so where both have one shape, and the model was not given it.
    """
    made = {_storage(tensor) for tensor in call.outputs} - {0}
    shapes = {tensor.shape for tensor in call.outputs}
    given = {
        _storage(tensor) for tensor in tree_leaves((seen.arguments, seen.named)) if isinstance(tensor, torch.Tensor)
    }
    for later in seen.calls[index + 1 :]:
        for tensor in later.inputs:
            if tensor.grad_fn is None and not tensor.requires_grad and tensor.is_floating_point():
                storage = _storage(tensor)
                if storage in made or (tensor.shape in shapes and storage not in given):
                    return True
    return False


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0


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
