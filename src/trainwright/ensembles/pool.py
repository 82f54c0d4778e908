"""The answers of all networks to one split, computed once: every method is a way to share them out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from trainwright.data.feed import Feed
from trainwright.ensembles.answers import Truth, check_classes, gathered, truth_of
from trainwright.ensembles.calibration import cooled, noise_of, temperature_of, total_deviation
from trainwright.ensembles.combine import combined, mean_and_spread, scaled
from trainwright.ensembles.measures import log_likelihoods, of_classes, of_values, squared_errors
from trainwright.ensembles.network import Network, answer
from trainwright.errors import DataError
from trainwright.parts.outputs import Form, scores_of
from trainwright.records.ensemble import Averaging, Cost, Scores
from trainwright.training.bad_samples import sound_rows

_MOST_ROWS = 20_000
"""Rows, evenly spaced, that temperatures are fitted on again and again: they tell a mean NLL to some thousandths."""
_NEWTON = 12  # steps within a selection, where the loss of a candidate need not be known to the last digit


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """What `networks` answer: logits float32 `(K, M, C)`, or values `(K, M, D)`, and what was right.

    `seconds` is what each network takes for a sample. `average` says how answers are averaged.
    """

    networks: tuple[Network, ...]
    answers: torch.Tensor
    truth: Truth
    form: Form
    seconds: tuple[float, ...]
    average: Averaging = "probabilities"

    @property
    def has_classes(self) -> bool:
        """Say whether the answers are classes, not values."""
        return self.form.task != "regression"

    def part(self, samples: torch.Tensor) -> Pool:
        """Return the pool of `samples` alone, a boolean `(samples,)`; their numbers stay those of the whole."""
        rows = self.truth.taken(samples)
        truth = Truth(y=self.truth.y[rows], sample=self.truth.sample[rows], samples=int(samples.sum()))
        return replace(self, answers=self.answers[:, rows], truth=truth)

    def loss(self, *, calibrate: bool = False) -> Callable[[torch.Tensor], float]:
        """Return what gives the loss of an average by its shares `(K,)`: mean NLL, or mean squared error.

        With `calibrate` the NLL is that after the average's own best temperature, of `_MOST_ROWS` rows at most.
        """
        if self.has_classes and calibrate:
            return self._cooled_loss()
        if not self.has_classes:
            return lambda shares: float(squared_errors(self.predicted(shares), self.truth).mean())
        if self.average == "logits":
            return lambda shares: -float(log_likelihoods(self.predicted(shares), self.truth).mean())
        places = self.truth.y.view(1, -1, 1).expand(len(self.networks), -1, 1)
        right = (
            torch.log_softmax(self.answers.double(), -1).gather(2, places).squeeze(2).exp()
        )  # all that a mixture needs
        return lambda shares: -float((shares.to(right.device) @ right).clamp_min(1e-300).log().mean())

    def _cooled_loss(self) -> Callable[[torch.Tensor], float]:
        some = slice(None, None, -(-len(self.truth.y) // _MOST_ROWS))
        truth = replace(self.truth, y=self.truth.y[some], sample=self.truth.sample[some])
        each = torch.log_softmax(self.answers[:, some].double(), -1)
        if self.average == "probabilities":
            each = each.exp()

        def loss(shares: torch.Tensor) -> float:
            mixed = torch.einsum("k,kmc->mc", shares.to(each), each)
            log_p = mixed.clamp_min(1e-300).log() if self.average == "probabilities" else mixed.log_softmax(1)
            return cooled(log_p, truth, most=_NEWTON)[1]

        return loss

    def predicted(self, shares: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities `(M, C)`, or values `(M, D)`, of the average by `shares`."""
        return combined(self.answers, shares, self.average) if self.has_classes else self.spread(shares)[0]

    def spread(self, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the values of the average and how far its networks are apart, `(M, D)` each."""
        return mean_and_spread(self.answers, shares)

    def temperature(self, shares: torch.Tensor) -> float:
        """Return the temperature that suits the average best."""
        return temperature_of(self.predicted(shares), self.truth)

    def noise(self, shares: torch.Tensor) -> torch.Tensor:
        """Return what the average of a regression cannot explain: the standard deviation of each column."""
        return noise_of(*self.spread(shares), self.truth)

    def scores(
        self, shares: torch.Tensor, *, temperature: float | None = None, noise: torch.Tensor | None = None
    ) -> Scores:
        """Return the scores of the average by `shares`."""
        if self.has_classes:
            return of_classes(scaled(self.predicted(shares), temperature), self.truth)
        values, spread = self.spread(shares)
        return of_values(values, self.truth, None if noise is None else total_deviation(spread, noise))

    def cost(self, shares: torch.Tensor, library: Sequence[int] = ()) -> Cost:
        """Return what the networks that have a share cost, and the training of all of a `library` that they are from.

        Steps of a training that several come from count once. The time is that of one network after the other.
        """
        used = [place for place, share in enumerate(shares.tolist()) if share > 0]
        trained: dict[str, int] = {}
        known = True
        for place in sorted({*used, *library}):
            steps = self.networks[place].trained
            known &= bool(steps)
            for name, count in steps.items():
                trained[name] = max(count, trained.get(name, 0))
        return Cost(
            networks=len(used),
            training_steps=sum(trained.values()) if known else None,
            seconds=1000 * sum(self.seconds[place] for place in used),
            size=sum(self.networks[place].size for place in used),
        )

    def plus(self, other: Pool) -> Pool:
        """Return the pool with the networks of another one on the same data behind its own."""
        return replace(
            self,
            networks=self.networks + other.networks,
            answers=torch.cat([self.answers, other.answers]),
            seconds=self.seconds + other.seconds,
        )


def pool_of(networks: Sequence[Network], feed: Feed, form: Form, average: Averaging = "probabilities") -> Pool:
    """Return the answers of `networks` to every sample of `feed`.

    Raises `DataError` where the feed is empty or an answer is not finite, `ModelError` for classes that nobody tells.
    """
    answers: list[list[torch.Tensor]] = [[] for _ in networks]
    seconds = [math.inf] * len(networks)  # of a sample in the fastest batch: other work only ever adds time
    targets: list[torch.Tensor] = []
    samples = 0
    for x, y in feed.in_order():
        _check_inputs(x, samples)
        samples += len(x)
        for place, network in enumerate(networks):
            started = time.perf_counter()
            output = answer(network, x)
            seconds[place] = min(seconds[place], (time.perf_counter() - started) / len(x))
            answers[place].append(scores_of(output, form).cpu())
        targets.append(truth_of(y, answers[0][-1].shape[-1], form).cpu())
    if not samples:
        raise DataError("there is nothing to judge by: the data are empty", remedy="give at least one sample")
    truth, rows = gathered(torch.cat(targets), form)
    stacked = torch.stack([torch.cat(parts).flatten(0, 1)[rows] for parts in answers])
    if form.task != "regression":
        check_classes(truth, stacked.shape[-1])
    _check_finite(networks, stacked)
    return Pool(
        networks=tuple(networks),
        answers=stacked,
        truth=truth,
        form=form,
        seconds=tuple(seconds),
        average=average,
    )


def _check_inputs(x: torch.Tensor, before: int) -> None:
    """Raise `DataError` where the data, not a network, are to blame; `before` counts the samples until here."""
    sound = sound_rows(x)
    if not bool(sound.all()):
        place = int((~sound).nonzero()[0])
        raise DataError(
            "the data to judge by hold inputs that are not finite",
            evidence=f"sample {before + place + 1:,} is the first with NaN or infinity",
            remedy="fill or remove what is missing, as in training",
        )


def _check_finite(networks: Sequence[Network], answers: torch.Tensor) -> None:
    for network, own in zip(networks, answers, strict=True):
        # Minus infinity is a probability of zero; NaN and plus infinity are nothing.
        wrong = int((own.isnan() | (own == torch.inf)).any(-1).sum())
        if wrong:
            raise DataError(
                f"'{network.name}' gives numbers that are not finite",
                evidence=f"for {wrong} of {len(own)} targets",
                remedy="leave it out: its training has diverged, or its weights are damaged",
            )
