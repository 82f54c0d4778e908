"""How sure a difference is: the same samples drawn again and again, for both of what is compared."""

from __future__ import annotations

import torch

from trainwright.ensembles.answers import Truth
from trainwright.randomness import generator
from trainwright.records.ensemble import Gain

RESAMPLES = 1000
"""The ends of a 95 % interval are then the 25th value from either side, which moves by some percent of its width."""
COVERED = 0.95
_ROUNDING = 1e-12
_MOST = 4_000_000  # counts that are held at once


class Bootstrap:
    """Resamples of `samples` samples with replacement: a function of the seed. Source: Efron 1979."""

    def __init__(self, samples: int, seed: int = 0, resamples: int = RESAMPLES) -> None:
        self.samples = samples
        self.seed = seed
        self.resamples = resamples

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums of `values` `(samples, R)` over each resample: float64 `(resamples, R)`."""
        values = values.double().cpu()
        drawn = generator(self.seed, "bootstrap")
        rows = max(1, _MOST // self.samples)
        parts = []
        for start in range(0, self.resamples, rows):
            count = min(rows, self.resamples - start)
            places = torch.randint(self.samples, (count, self.samples), generator=drawn)
            counts = torch.zeros(count, self.samples, dtype=torch.float64)
            counts.scatter_add_(1, places, torch.ones((), dtype=torch.float64).expand_as(places))
            parts.append(counts @ values)
        return torch.cat(parts)

    def gains(self, baseline: torch.Tensor, others: torch.Tensor, truth: Truth, *, root: bool = False) -> list[Gain]:
        """Return by how much the mean loss of each of `others` `(M, R)` lies below that of `baseline` `(M,)`.

        The rows of a sample are drawn together. With `root` the roots of the means are compared.
        """
        losses = torch.cat([baseline.unsqueeze(1), others, torch.ones_like(baseline).unsqueeze(1)], 1).double().cpu()
        sums = torch.zeros(self.samples, losses.shape[1], dtype=torch.float64).index_add_(0, truth.sample.cpu(), losses)
        drawn, whole = _differences(self.sums(sums), root), _differences(sums.sum(0, keepdim=True), root)[0]
        tail = (1 - COVERED) / 2
        low, high = torch.quantile(drawn, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
        return [
            Gain(value=_rounded(value), low=_rounded(least), high=_rounded(most))
            for value, least, most in zip(whole.tolist(), low.tolist(), high.tolist(), strict=True)
        ]


def _rounded(value: float) -> float:
    """Return 0 for what is the rounding of sums: a gain of 1e-16 is none."""
    return value if abs(value) > _ROUNDING else 0.0


def _differences(sums: torch.Tensor, root: bool) -> torch.Tensor:
    """Return baseline less others, of sums whose first column is the baseline's and the last the number of rows."""
    means = sums[:, :-1] / sums[:, -1:].clamp_min(1)
    means = means.clamp_min(0).sqrt() if root else means
    return means[:, :1] - means[:, 1:]
