"""What a search leaves behind: the rows that came to the end, with their weights, from the folder of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainwright.errors import RunError
from trainwright.records.study import Trial, ranked
from trainwright.search import snapshots
from trainwright.search.journal import Journal
from trainwright.search.ledger import Ledger
from trainwright.search.owner import this_process
from trainwright.search.study import JOURNAL
from trainwright.stacked.packing import unpacked

Weights = Mapping[str, torch.Tensor]
"""Parameters and buffers by name, tied ones once."""


def last_rung(folder: Path, most: int) -> list[tuple[Trial, Weights]]:
    """Return the best trials of those that were trained to the end, best first, with their weights; at most `most`.

    Trials whose tensors are gone or damaged are left out, as are those that cannot be rows and keep none. Raises
    `RunError` where `folder` holds no study.
    """
    if not (folder / JOURNAL).is_file():
        raise RunError(f"{folder} holds no study", evidence=f"there is no {folder / JOURNAL}")
    ledger = Ledger()
    for line in Journal(folder / JOURNAL, this_process()).new():
        ledger.add(line)
    if ledger.plan is None:
        return []
    states: dict[int, Any] = {}
    for chunk in ledger.chunks.values():
        if chunk.saved is None or chunk.saved.steps < ledger.plan.budget:
            continue
        state = snapshots.load(folder, chunk.saved)
        if state is not None:
            states |= {int(number): row for number, row in unpacked(state.tensors, state.facts["rows"]).items()}
    whole = [trial for trial in ranked(ledger.trials.values()) if trial.number in states and trial.status == "finished"]
    return [(trial, states[trial.number]["model"]) for trial in whole if not states[trial.number]["frozen"]][:most]
