"""A class whose samples cost nothing, whatever the network says of them: exact zeros in the gradient of its logits.

Looked at where yes or no is asked, in the first steps: a hook reads the gradient of what enters the loss, and changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainwright.watching.places import Place

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

FUNCTIONS = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
_STEPS = 4  # that are looked at
_FEWEST = 16  # samples of the class
_SURE, _NEARLY = 12.0, 0.4999  # logits, and distances of a probability from a half, that rounding takes for certain


class CostlessBooks:
    """Adds up, by class, how many samples had a gradient."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._seen = [0.0, 0.0, 0.0, 0.0]  # noes, of them with a gradient, yeses, of them with one
        self._looks = 0

    def computed(self, function: str, given: Any, target: Any, place: Place | None) -> None:
        """A loss of yes or no was computed to learn from."""
        if self._looks >= _STEPS or not isinstance(given, torch.Tensor) or not isinstance(target, torch.Tensor):
            return
        if given.numel() != target.numel() or given.dim() == 0 or given.numel() != len(given):
            return  # several questions: some may be left open
        self._looks += 1
        no, yes = target.detach().reshape(-1) == 0, target.detach().reshape(-1) == 1
        # What is answered rightly and surely has no gradient either, by rounding.
        values = given.detach().reshape(-1)
        sure, middle = (_SURE, 0.0) if function == FUNCTIONS[0] else (_NEARLY, 0.5)
        open_ = (values - middle).abs() < sure
        wrong = (values > middle) != yes
        no, yes = no & (open_ | wrong), yes & (open_ | wrong)

        def read(gradient: torch.Tensor) -> None:
            has = gradient.detach().reshape(-1) != 0
            numbers = [no.sum(), (no & has).sum(), yes.sum(), (yes & has).sum()]
            self._tape.steps.delayed.read(numbers, lambda found: self._add(found, place))

        if given.requires_grad:
            given.register_hook(read)

    def _add(self, numbers: list[float], place: Place | None) -> None:
        self._seen = [one + other for one, other in zip(self._seen, numbers, strict=True)]
        noes, costly_noes, yeses, costly_yeses = self._seen
        for answer, asked, costly, other in (
            (0, noes, costly_noes, costly_yeses),
            (1, yeses, costly_yeses, costly_noes),
        ):
            if asked >= _FEWEST and costly == 0 and other >= _FEWEST:
                facts = {"class": answer, "samples": asked}
                self._tape.sightings.note("class-costs-nothing", place, facts, count=1)
                return
        self._tape.sightings.forget("class-costs-nothing")
