"""The best weights that a run kept, for all that begins with them: prediction, export, finishing, another training."""

from __future__ import annotations

from pathlib import Path

import torch

from trainwright.records import Outcome
from trainwright.runs.layout import CHECKPOINTS
from trainwright.training import checkpoint


def best_weights(
    folder: Path, outcome: Outcome | None, *, names: tuple[str, ...] = ("best",)
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Return the weights of the run in `folder`, the first of `names` that it kept, and what is to be said of them.

    Raises `RunError` where it kept none of them, or they are damaged.
    """
    place = folder / CHECKPOINTS
    name = next((name for name in names if (place / f"{name}.json").is_file()), names[0])
    state, manifest = checkpoint.load(place, name)
    if outcome is None:
        step = f"{manifest['step']:,}" if isinstance(manifest.get("step"), int) else "?"
        return state, (f"the run has not ended: these are its {name} weights so far, of step {step}",)
    if outcome.status != "finished":
        return state, (f"the run ended early ({outcome.status}: {outcome.reason}); these are its {name} weights",)
    return state, ()
