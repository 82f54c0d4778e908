"""The finished model: several networks or one, averaged, with their temperature, and the table that justifies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainwright.ensembles.calibration import total_deviation
from trainwright.ensembles.combine import combined, mean_and_spread, scaled
from trainwright.ensembles.network import Network, answer
from trainwright.ensembles.predictor import Predictor, looped
from trainwright.errors import DataError, ModelError, UsageError
from trainwright.parts.outputs import Form, scores_of
from trainwright.records import Finding, to_plain
from trainwright.records.ensemble import EnsembleInfo, Gains
from trainwright.report.notebook import bundle
from trainwright.tensors import to_tensor

_BATCH = 512


class Ensemble:
    """What finishing gives. `members` are its networks, `shares` how much each counts, float64 of sum 1.

    `gains` is the table of what gained and what lost; `info` holds all that a report needs, and `folder` is where it is
    kept, None where it is not.
    """

    def __init__(
        self,
        members: Sequence[Network],
        shares: torch.Tensor,
        form: Form,
        info: EnsembleInfo,
        *,
        predictor: Predictor | None = None,
        findings: Sequence[Finding] = (),
        folder: Path | None = None,
    ) -> None:
        self.members = tuple(members)
        self.shares = shares
        self.form = form
        self.info = info
        self.findings = list(findings)
        self.folder = folder
        self._predictor = predictor

    def with_notes(self, notes: Sequence[str]) -> Ensemble:
        """Return the same model with further notes in front of its own."""
        self.info = replace(self.info, notes=(*notes, *self.info.notes))
        return self

    @property
    def gains(self) -> Gains:
        """What each method gained or lost, and at what cost."""
        return self.info.gains

    def predict(self, x: Any) -> torch.Tensor:
        """Return probabilities, or values in the targets' own units, for inputs `(N, ...)` as the members take them.

        Probabilities are `(N, C)`; where a network tells two classes by one logit, `(N, 2)`; of places of a text
        `(N, C, L)`; of labels `(N, L)`, each the probability of yes. Values are `(N, D)`. Float32, on the CPU. Raises
        `DataError` for what is no tensor of numbers, `ModelError` for inputs that the members cannot take.
        """
        if self.form.task == "regression":
            return self._values(x)[0].float()
        parts, layout = [], ()
        for outputs in self._outputs(x):
            scores = torch.stack([scores_of(output, self.form) for output in outputs])
            layout = outputs.shape[3:]
            parts.append(scaled(combined(scores, self.shares, self.info.average), self.info.temperature).exp().cpu())
        probabilities = torch.cat(parts)  # (N, P, C)
        if self.form.task == "multi-label":
            return probabilities[..., 1].float()
        if layout:
            return probabilities.movedim(2, 1).reshape(len(probabilities), -1, *layout).float()
        return probabilities.squeeze(1).float()

    def spread(self, x: Any) -> torch.Tensor:
        """Return how far a prediction is expected to be off, `(N, D)` for values and `(N,)` for classes, float32.

        Values: the standard deviation of the members around their mean and what none of them can explain (measured on
        validation), together. Classes: the standard deviation of the members' probabilities, its mean over the classes,
        0 of a single member.
        """
        if self.form.task == "regression":
            values, spread = self._values(x)
            noise = torch.tensor(self.info.noise or (0.0,) * values.shape[1], dtype=torch.float64)
            return total_deviation(spread, noise).float()
        parts = []
        for outputs in self._outputs(x):
            each = torch.stack([scores_of(output, self.form) for output in outputs]).softmax(-1)
            parts.append(mean_and_spread(each, self.shares)[1].flatten(1).mean(1).cpu())
        return torch.cat(parts).float()

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        document = {"schema": 1, "findings": self.findings, "folder": str(self.folder) if self.folder else None}
        return to_plain({**document, **to_plain(self.info)}, strict=True)

    def report(self, *, color: bool = False, width: int = 100) -> str:
        """Return the table as text: what gained, what lost, at what cost, and how well the probabilities hold."""
        from trainwright.report.finish_text import render_finish

        return render_finish(self.info, self.findings, color=color, width=width)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.report(color=True))

    def _values(self, x: Any) -> tuple[torch.Tensor, torch.Tensor]:
        means, spreads = [], []
        for outputs in self._outputs(x):
            values = torch.stack([scores_of(output, self.form) for output in outputs])
            mean, spread = mean_and_spread(values, self.shares)
            means.append(mean.squeeze(1).cpu())
            spreads.append(spread.squeeze(1).cpu())
        return torch.cat(means), torch.cat(spreads)

    def _outputs(self, x: Any) -> list[torch.Tensor]:
        """Return the outputs `(K, N, ...)` batch by batch."""
        inputs = taken_by(self.members[0], to_tensor(x, "x"))
        if inputs.dim() == 0 or len(inputs) == 0:
            raise DataError("there is nothing to predict", evidence=f"x has the shape {tuple(inputs.shape)}")
        compute = self._predictor or (lambda batch: looped(self.members, batch))
        device = next((parameter.device for parameter in self.members[0].model.parameters()), inputs.device)
        try:
            return [compute(batch.clone().to(device)) for batch in inputs.split(_BATCH)]
        except Exception as problem:  # whatever a model of the user's raises
            words = str(problem).strip().splitlines()
            raise ModelError(
                f"the members cannot take inputs of shape {tuple(inputs.shape)} and type {inputs.dtype}",
                evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
                remedy="give inputs of the shape and the preparation that they were trained on",
            ) from problem


def taken_by(network: Network, x: torch.Tensor) -> torch.Tensor:
    """Return inputs in the type that a network takes: floating-point ones like its weights, whole ones if it embeds."""
    dtype = next((weight.dtype for weight in network.model.parameters() if weight.is_floating_point()), torch.float32)
    if x.is_floating_point():
        return x.to(dtype)
    if x.is_complex():
        raise UsageError("inputs cannot be complex numbers", evidence=str(x.dtype))
    device = next((parameter.device for parameter in network.model.parameters()), x.device)
    try:
        answer(network, x[:1].to(device))
    except Exception:  # it wants numbers to multiply, not to look up
        return x.to(dtype)
    return x
