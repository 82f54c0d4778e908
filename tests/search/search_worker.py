"""A process that works on a study: `python search_worker.py FOLDER SAMPLER PAUSE [STORE]`.

Killed by tests at any moment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from search_arenas import Walk

from trainwright.records import Plan
from trainwright.search.course import search
from trainwright.search.space import checked, log_uniform

SPACE = checked({"lr": log_uniform(1e-4, 1e-1), "momentum": log_uniform(0.1, 0.9)})


def plan(sampler: str) -> Plan:
    """Return the plan of all these studies: two rounds of two chunks of nine."""
    return Plan(sampler=sampler, budget=36, trials=36, rounds=2, chunk=9, save_every=10, seed=4)


if __name__ == "__main__":
    arena = Walk(pause=float(sys.argv[3]))
    print("ready", flush=True)
    store = sys.argv[4] if len(sys.argv) > 4 else None
    search(arena, plan(sys.argv[2]), SPACE, folder=Path(sys.argv[1]), store=store)
    print(arena.steps, flush=True)
