"""Targets of a language model that were not shifted.

Only what enters the loss counts: a model or a loss that shifts by itself may well be given its input as targets.
"""

from __future__ import annotations

from trainwright.doctor.kinds_labels import NEXT_TOKEN_NOT_SHIFTED
from trainwright.doctor.loss_entering import CLASSES, calls_of, place_of_call
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

COPIED = 0.99
"""Share of targets that are the input's own token: shifted text repeats a token in some 1 to 10 of 100 places."""


def next_token_not_shifted(chart: Chart) -> Finding | None:
    """Exact: the targets at the loss are the input, and each output sees its own token and none behind it.

    Where it sees all tokens, it may be an autoencoder: a note. Where it sees only those before, the model shifts.
    """
    for call in calls_of(chart, CLASSES):
        target = call.target
        if target is None or target.copied is None or target.copied <= COPIED or call.sees not in ("own", "later"):
            continue
        certain = call.sees == "own"
        return NEXT_TOKEN_NOT_SHIFTED.finding(
            where=place_of_call(chart, call),
            step=0,
            severity="error" if certain else "note",
            confidence=1.0 if certain else 0.5,
            evidence=(
                Evidence(
                    name="share of the targets that are the input at their place", value=target.copied, threshold=COPIED
                ),
                Evidence(
                    name="what the output at a place depends on",
                    value="its own token, and none behind it" if certain else "its own token, and those behind it",
                ),
            ),
            remedies=(Remedy(text="x = tokens[:, :-1], y = tokens[:, 1:]: the target is the token that comes next"),),
        )
    return None


RULES = (Rule(kind=NEXT_TOKEN_NOT_SHIFTED, needs=("output",), judge=next_token_not_shifted),)
