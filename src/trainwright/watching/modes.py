"""Training and evaluation mode: what was on when a step was made, and what was on when nothing was to be learnt."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import nn

from trainwright.records.findings import Scalar
from trainwright.watching.models import Models, Pass, acts_differently
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings
from trainwright.watching.written import uncalled_line

_FRUITLESS = 40  # times that passes without gradients are waited for, and do not come
_FRUITFUL = 24  # evaluations that are looked at
_LEARNT = 1  # steps from which a model may have learnt something
_FORWARDS = 8  # passes of each
_VALUES = 16  # of an input, by which it is known again
_ALONE = 3  # evaluations of one pass each, on the same input, that are no sampling of dropout's masks


class ModeBooks:
    """Compares modes at steps and at evaluations."""

    def __init__(self, sightings: Sightings, models: Models) -> None:
        self._sightings = sightings
        self._models = models
        self._acting: dict[int, list[str]] = {}
        self._trained: set[int] = set()  # modules that made steps in training mode
        self._changed: weakref.WeakKeyDictionary[nn.Module, Place | None] = weakref.WeakKeyDictionary()
        self._waits = 0
        self._looks = 0
        self._forwards = 0
        self._inputs: list[Any] = []  # what the passes of this evaluation were given: shape, sum, a few values
        self._at = -1  # the step before which those came
        self._asleep: dict[int, tuple[weakref.ref[nn.Module], Place | None]] = {}  # eval() was called on it, last
        self._evaluated: list[tuple[int, weakref.ref[nn.Module], Place | None]] = []  # since which step; the latest
        self._alone: dict[Any, list[int]] = {}  # by root and input: steps before which it was asked in training mode
        self._judged: dict[int, int] = {}  # roots that were asked in evaluation mode, too: before which step, last
        self._cleared: dict[int, weakref.ref[nn.Module]] = {}  # of those, who were asked in the end, as a teacher is
        self._accused: set[int] = set()  # that were put into evaluation mode in place of what was asked
        self._deaf: dict[int, weakref.ref[nn.Module]] = {}  # eval() was called on it, and it stayed in training mode
        self._uncalled: dict[str, Place | None] = {}  # by file: the line that names `eval` and does not call it

    def changed(self, module: nn.Module, mode: bool, place: Place | None) -> None:
        """A module was put into training or evaluation mode."""
        if not mode:
            for part in (module, *module.children()):
                self._changed[part] = place
            self._asleep[id(module)] = (weakref.ref(module), place)
            self._evaluated = [*self._evaluated[-3:], (self._sightings.step, weakref.ref(module), place)]
            self.await_evaluation()
        elif self._asleep:
            for part in module.modules():
                self._asleep.pop(id(part), None)

    def asked_to_evaluate(self, module: nn.Module) -> None:
        """`model.eval()` is over."""
        if module.training:
            self._deaf[id(module)] = weakref.ref(module)
        else:
            self._deaf.pop(id(module), None)

    @property
    def curious(self) -> bool:
        """Whether another evaluation is of interest."""
        return self._waits < _FRUITLESS and self._looks < _FRUITFUL and not self._models.armed

    def await_evaluation(self) -> None:
        """Passes that teach nothing may follow: look at the first of them."""
        if self.curious:
            self._waits += 1
            self._forwards = 0
            self._inputs.clear()
            self._models.arm()

    def passed(self, seen: Pass) -> None:
        """A pass is over that no gradient was wanted of, or that ran in evaluation mode."""
        if seen.grad and seen.training:
            return
        if self._forwards == 0:
            self._looks += 1
            self._waits = 0
        self._forwards += 1
        if not seen.training:
            self._judged[id(seen.root)] = self._sightings.step
            self._without_statistics(seen)
            if id(seen.root) in self._accused:
                self._accused.clear()
                self._sightings.forget("evaluating-in-training-mode")
                self._cleared[id(seen.root)] = weakref.ref(seen.root)
        elif id(seen.root) in self._trained:
            self._asked_in_training(seen)
        if self._forwards >= _FORWARDS:
            self._models.disarm()

    def _without_statistics(self, seen: Pass) -> None:
        """A model was asked in evaluation mode: see whether its batch norms learnt, and never saw a batch."""
        norms = [call for call in seen.calls if isinstance(call.module, nn.modules.batchnorm._BatchNorm)]
        if self._sightings.step < _LEARNT or not norms:
            return
        self._sightings.chance("batch-norm-statistics-never-gathered")
        if all(_learnt_blindly(call.module) for call in norms):
            facts: dict[str, Scalar] = {"layers": len(norms), "model": type(seen.root).__name__}
            self._sightings.note("batch-norm-statistics-never-gathered", seen.place, facts)

    def _asked_in_training(self, seen: Pass) -> None:
        """A model that learns in training mode was asked something in it, without gradients."""
        acting = self._kinds(seen.root)
        fresh = known_again(seen)
        if not acting or _gathers(seen):
            return
        facts: dict[str, Scalar] = {"modules": ", ".join(acting)}
        meant = self._meant(seen)
        if meant is not None:
            place, facts["instead"] = meant
            self._sightings.note("evaluating-in-training-mode", place or seen.place, facts | {"certain": True})
        if fresh in self._inputs:
            self._alone.pop((id(seen.root), fresh), None)  # one input again and again samples dropout's masks
            return
        if self._at != self._sightings.step:  # a pass between two steps, and one between the next, are two occasions
            self._at = self._sightings.step
            self._inputs.clear()
        self._inputs.append(fresh)
        if len(self._inputs) > 1:
            self._sightings.note("evaluating-in-training-mode", seen.place, facts)
        elif id(seen.root) not in self._judged:
            steps = self._alone.setdefault((id(seen.root), fresh), [])
            steps.append(self._sightings.step)
            if len(steps) >= _ALONE and len(self._alone) < 2 * len(steps):
                self._sightings.note("evaluating-in-training-mode", seen.place, facts | {"certain": True})

    def _meant(self, seen: Pass) -> tuple[Place | None, str] | None:
        """Say what was put into evaluation mode in place of the model that is asked, and on which line; else None.

        That is another model of its class, which is not asked anything; a part of it, by an `eval` of its own class;
        or nothing, as `model.eval` stands there and is not called.
        """
        root = seen.root
        for step, reference, place in reversed(self._evaluated):
            module = reference()
            if module is None or step != self._sightings.step:
                continue
            other = module is not root and type(module) is type(root) and self._judged.get(id(module)) != step
            cleared = self._cleared.get(id(module))
            if other and (cleared is None or cleared() is not module):
                self._accused.add(id(module))
                return place, f"another {type(root).__name__}"
            if type(root).eval is not nn.Module.eval and any(part is module for part in root.children()):
                return seen.place, f"a part of it, by the {type(root).__name__}'s own eval"
        deaf = self._deaf.get(id(root))
        if deaf is not None and deaf() is root:
            return seen.place, "nothing: its own train() takes no notice of its mode"
        if seen.place is not None:
            file = seen.place[0]
            if file not in self._uncalled:
                self._uncalled[file] = uncalled_line(file, "eval")
            place = self._uncalled[file]
            if place is not None:
                return place, "nothing: `eval` is named there, and not called"
        return None

    def stepping(self) -> None:
        """An optimizer is about to step on what the last passes taught."""
        for root in self._models.roots():
            acting = self._kinds(root)
            if not acting:
                continue
            asleep = self._asleep.get(id(root)) if self._asleep else None
            if asleep is not None and (asleep[0]() is not root or any(part.training for part in _acting(root))):
                asleep = None
            if root.training and asleep is None:
                self._trained.add(id(root))
            elif asleep is not None or not any(part.training for part in root.modules()):
                facts = {"modules": ", ".join(acting), "flipped": id(root) in self._trained}
                self._sightings.note("training-in-evaluation-mode", self._changed.get(root), facts)

    def _kinds(self, module: nn.Module) -> list[str]:
        known = self._acting.get(id(module))
        if known is None:
            known = self._acting[id(module)] = acts_differently(module)
        return known


def _learnt_blindly(norm: nn.Module) -> bool:
    """Say whether a batch norm's weights have left 1 and 0, at which it was made, and its statistics have not."""
    if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or norm.training or norm.weight is None:
        return False
    mean, variance, batches = norm.running_mean, norm.running_var, norm.num_batches_tracked
    if mean is None or variance is None or batches is None or bool(batches.ne(0)):
        return False
    as_made = not bool(mean.any()) and not bool(variance.ne(1).any())
    # Both: who draws the weights by hand leaves the biases at zero.
    return as_made and bool(norm.weight.detach().ne(1).any()) and bool(norm.bias.detach().any())


def _gathers(seen: Pass) -> bool:
    """Say whether a pass takes the statistics of batch norm anew, as `update_bn` does: each layer takes a mean."""
    acting = [call.module for call in seen.calls if acts_differently(call.module)]
    norms = [part for part in acting if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    return len(norms) > 0 and all(part.momentum is None for part in norms)


def _acting(module: nn.Module) -> list[nn.Module]:
    """Return the parts of a model that do something else in training."""
    return [part for part in module.modules() if next(part.children(), None) is None and acts_differently(part)]


def known_again(seen: Pass) -> Any:
    """Return something by which the inputs of a pass are known again.

    On the CPU a few values, since memory that one batch leaves the next one takes; nothing waits for a device.
    """
    values = seen.arguments or tuple(seen.named.values())
    return tuple(_of_tensor(value) if isinstance(value, torch.Tensor) else type(value) for value in values)


def _of_tensor(tensor: torch.Tensor) -> Any:
    if not tensor.is_cpu or tensor.layout is not torch.strided or tensor.numel() == 0:
        return tensor.data_ptr() if tensor.layout is torch.strided else 0, tuple(tensor.shape), tensor._version
    flat = tensor.detach().reshape(-1)
    # An odd stride: an even one meets the same column of every row, which may be a margin that is always empty.
    some = flat[:: max(1, len(flat) // _VALUES) | 1][:_VALUES]
    return (*some.tolist(), flat.sum().item()), tuple(tensor.shape)
