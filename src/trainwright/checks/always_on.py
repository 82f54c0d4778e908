"""Dropout and noise that are at work in evaluation mode, and the line that calls for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainwright.checks.always_noise import Noise, noise_added
from trainwright.checks.subject import Subject
from trainwright.checks.uses import Called, calls_of
from trainwright.checks.wiring import output_of, single
from trainwright.doctor.kinds_wiring import DROPOUT_ALWAYS_ON
from trainwright.records import Evidence, Finding, Location, Remedy

_NAMES = ("dropout", "attention", "bernoulli")


@dataclass(frozen=True, kw_only=True)
class Randomness:
    """How far two passes in evaluation mode differ, and the dropout or noise that was at work, if there was one.

    `repeated` is how far they differ under the same random numbers: then the model keeps a state from pass to pass.
    """

    difference: float = 0.0
    repeated: float = 0.0
    call: Called | Noise | None = None

    @property
    def words(self) -> str:
        """What is said of it beside what was expected: it may vary by design, and a state may be carried on purpose."""
        if self.repeated:
            return f"differs by {self.repeated:.2g} from pass to pass of one batch, by a state that it keeps"
        if self.difference and self.call is None:
            return f"varies by {self.difference:.2g} in evaluation, by a randomness of its own"
        return f"varies by {self.difference:.2g} in evaluation"


def randomness(subject: Subject, x: Any) -> Randomness:
    """Compare passes in evaluation mode, and search for dropout or noise where they differ with the random numbers.

    Noise with a spread that the model computes, as in a variational autoencoder, is part of what it gives.
    """
    subject.model.eval()
    passes = [single(output_of(subject, x, seed)) for seed in (0, 0, 1)]
    difference = _difference(passes[0], passes[2])
    repeated = _difference(passes[0], passes[1])
    if difference == 0 or repeated != 0:  # not random, or not by torch's generator
        return Randomness(difference=difference, repeated=repeated)
    calls = calls_of(lambda: output_of(subject, x), lambda name: any(word in name for word in _NAMES))
    call = next((call for call in calls if _is_on(call)), None)
    return Randomness(
        difference=difference, call=call if call is not None else noise_added(lambda: output_of(subject, x))
    )


def _difference(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    if [tensor.shape for tensor in one] != [tensor.shape for tensor in other]:
        return float("inf")
    pairs = [(a.detach().float(), b.detach().float()) for a, b in zip(one, other, strict=True) if a.numel()]
    return max((float((a - b).abs().nan_to_num().max()) for a, b in pairs), default=0.0)


def _is_on(call: Called) -> bool:
    """Say whether a dropout, or an attention with one inside, was called so that it drops something."""
    if call.name == "scaled_dot_product_attention":
        return float(_argument(call, 4, "dropout_p", 0.0)) > 0
    if call.name == "multi_head_attention_forward":
        return bool(call.options.get("training", True)) and float(_argument(call, 10, "dropout_p", 0.0)) > 0
    if "bernoulli" in call.name:  # one chance for all is a mask; chances that were computed are a model's own samples
        drawn_from = call.arguments[0] if call.name == "bernoulli" and call.arguments else 0.5
        chances = _argument(call, 1, "p", drawn_from)
        return not isinstance(chances, torch.Tensor) or bool((chances == chances.flatten()[:1]).all())
    if "dropout" not in call.name:
        return False
    return float(_argument(call, 1, "p", 0.5)) > 0 and bool(_argument(call, 2, "training", True))


def _argument(call: Called, place: int, name: str, default: Any) -> Any:
    return call.arguments[place] if len(call.arguments) > place else call.options.get(name, default)


def always_on(call: Called | Noise, difference: float) -> Finding:
    """Return the finding of dropout or noise that was seen at work in evaluation mode."""
    if isinstance(call, Noise):
        return DROPOUT_ALWAYS_ON.finding(
            title="noise is added in evaluation too",
            because="noise of a fixed strength regularises in training; added in evaluation, predictions stay random",
            where=Location(file=call.file, line=call.line),
            evidence=(
                Evidence(name="largest difference of two passes in evaluation mode", value=difference, threshold=0.0),
                Evidence(name="what was drawn meets the signal in", value=call.name),
            ),
            remedies=(Remedy(text="draw it `if self.training` alone"),),
        )
    remedies = {
        "scaled_dot_product_attention": "pass dropout_p=self.p if self.training else 0.0",
        "multi_head_attention_forward": "pass training=self.training",
    }
    text = "pass training=self.training, or register the nn.Dropout in the model, so that eval() reaches it"
    return DROPOUT_ALWAYS_ON.finding(
        where=Location(file=call.file, line=call.line),
        evidence=(
            Evidence(name="largest difference of two passes in evaluation mode", value=difference, threshold=0.0),
            Evidence(name="at work in evaluation mode", value=call.name),
        ),
        remedies=(Remedy(text=remedies.get(call.name, text)),),
    )
