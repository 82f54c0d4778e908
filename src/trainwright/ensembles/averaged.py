"""A finished model as one module: its members, their shares and its temperature, with outputs like a member's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.parts.outputs import Form
from trainwright.records.ensemble import Averaging


class Averaged(nn.Module):
    """Members as one network, whose outputs are read as theirs are: what takes a member takes it.

    `order[k]` puts the outputs of member k into the common order, () where they are in it. Of classes the outputs are
    log-probabilities after the temperature (which are logits too), of one unit for yes or no and of labels logits, of a
    regression the mean of the members' outputs. Without branches on values, so that it can be traced as one program.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        shares: Sequence[float],
        form: Form,
        *,
        average: Averaging = "probabilities",
        temperature: float | None = None,
        order: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shares = tuple(float(share) for share in shares)
        self.form = form
        self.average = average
        self.temperature = temperature
        self.order = tuple(tuple(one) for one in order) or ((),) * len(self.members)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for `x` `(N, ...)`, of the shape of a member's."""
        outputs = []
        for member, order in zip(self.members, self.order, strict=True):
            output = member(x)
            outputs.append(output[:, list(order)] if order else output)
        form, first = self.form, outputs[0]
        if form.task == "regression":
            return self._mean(outputs)
        if form.task == "multi-label" or first.dim() == 1 or first.shape[1] == 1:
            return self._yes([_logit(output) if form.expects == "probabilities" else output for output in outputs])
        scores = [_log(output) if form.expects == "probabilities" else output for output in outputs]
        if self.average == "logits":
            mixed = self._mean(scores)
        else:
            mixed = self._mixture([torch.log_softmax(score, 1) for score in scores])
        made = torch.log_softmax(mixed if self.temperature is None else mixed / self.temperature, 1)
        return made.exp() if form.expects == "probabilities" else made

    def _yes(self, logits: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the logit of yes, or its probability where the loss takes that."""
        if self.average == "logits":
            made = self._mean(logits)
        else:
            yes, no = (self._mixture([F.logsigmoid(sign * logit) for logit in logits]) for sign in (1, -1))
            made = yes - no
        made = made if self.temperature is None else made / self.temperature
        return made.sigmoid() if self.form.expects == "probabilities" else made

    def _mean(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the mean by the shares."""
        return torch.stack([share * part for share, part in zip(self.shares, parts, strict=True)]).sum(0)

    def _mixture(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the logarithm of the mean, by the shares, of what `parts` are the logarithms of."""
        shares = torch.tensor(self.shares).log().tolist()
        return torch.stack([share + part for share, part in zip(shares, parts, strict=True)]).logsumexp(0)


def _log(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def _logit(probabilities: torch.Tensor) -> torch.Tensor:
    return _log(probabilities) - _log(1 - probabilities)
