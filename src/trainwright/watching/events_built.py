"""Hears what is built and what feeds: optimizers, schedulers, modules, loaders and their batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainwright.watching.places import caller
from trainwright.watching.sightings import DENSE_STEPS

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape


class Built:
    """The events of building and of feeding, passed on to the books that keep them."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def optimizer_made(self, result: Any, optimizer: Any, *rest: Any, **named: Any) -> None:
        """`torch.optim.X(...)`."""
        tape = self._tape
        tape.optimizers.made(optimizer, caller())
        tape.attend(now=True)
        tape.news()

    def scheduler_made(self, result: Any, scheduler: Any, *rest: Any, **named: Any) -> None:
        """`torch.optim.lr_scheduler.X(...)`."""
        tape = self._tape
        tape.schedulers.made(scheduler, caller())

    def state_loaded(self, result: Any, loaded: Any, *rest: Any, **named: Any) -> None:
        """`optimizer.load_state_dict(...)`, or a scheduler's."""
        tape = self._tape
        if isinstance(loaded, torch.optim.Optimizer):
            tape.runs.resumed = tape.runs.resumed or bool(loaded.state)
            tape.optimizers.loaded(loaded, caller())
        else:
            tape.schedulers.loaded(loaded)

    def module_made(self, result: Any, module: Any, *rest: Any, **named: Any) -> None:
        """`nn.Linear(...)`, or any other module."""
        tape = self._tape
        tape.ranks.made(module)
        if tape.sightings.step < DENSE_STEPS:
            tape.origins.made(module, caller())

    def initialised(self, result: Any, *rest: Any, **named: Any) -> None:
        """`nn.init.X(weight)`, by the user or by a module that is being made."""
        tape = self._tape
        if not isinstance(result, torch.Tensor):
            return
        tape.runs.initialised(result)
        tape.loaded.initialised(result, caller())
        tape.optimizers.drawn(result)
        if tape.sightings.step < DENSE_STEPS:
            tape.origins.initialised(result, caller())

    def weights_loaded(self, result: Any, module: Any, state: Any, *rest: Any, **named: Any) -> None:
        """`model.load_state_dict(...)`: what `strict=False` leaves out."""
        tape = self._tape
        tape.by_hand.meant = True
        tape.loaded.loaded(module, state, caller())
        tape.optimizers.weights_loaded(module, caller())
        missing = list(getattr(result, "missing_keys", ()) or ())
        unexpected = len(getattr(result, "unexpected_keys", ()) or ())
        if missing:
            total = len(module.state_dict(keep_vars=True))
            facts = {
                "missing": len(missing),
                "total": total,
                "unexpected": unexpected,
                "names": ", ".join(missing[:3]),
            }
            tape.sightings.note("keys-not-loaded", caller(), facts)

    def compiled(self, result: Any, *rest: Any, **named: Any) -> None:
        """`torch.compile(...)`: from now on modules are not looked into."""
        tape = self._tape
        tape.compiles = True
        tape.models.disarm()

    def loader_made(self, result: Any, loader: Any, *rest: Any, **named: Any) -> None:
        """`DataLoader(...)`."""
        tape = self._tape
        tape.loaders.made(loader, caller())

    def workers_start(self, iterator: Any, loader: Any, *rest: Any) -> None:
        """The worker processes of a pass are about to be forked."""
        tape = self._tape
        tape.loaders.workers_start(loader)

    def workers_start_ends(self, result: Any, iterator: Any, loader: Any, *rest: Any) -> None:
        """They run."""
        tape = self._tape
        tape.loaders.draws = None

    def epoch_begins(self, iterator: Any, loader: Any) -> None:
        """`for batch in loader`."""
        tape = self._tape
        if tape.loaders.begins(iterator, loader, caller()):
            tape.schedulers.epoch_over(tape.loaders.epoch_steps or 0)

    def batch_drawn(self, iterator: Any, batch: Any, seconds: float) -> None:
        """A batch came."""
        tape = self._tape
        tape.loaders.drawn(iterator, batch, seconds)

    def batches_over(self, iterator: Any) -> None:
        """A loader has nothing more to give in this pass."""
        tape = self._tape
        tape.loaders.is_over(iterator)
