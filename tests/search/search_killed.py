"""Kills workers of a study, one after the other: `python search_killed.py FOLDER KILLS SECONDS [STORE]`.

Workers are forked from a process that has torch in memory, so that a new one is at work in hundredths of a second. With
a store each worker has a folder of its own, as on a machine of its own; without one they share FOLDER. Prints how many
were killed, and how many ended by themselves before.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from search_arenas import Walk
from search_worker import SPACE

from trainwright.records import Plan
from trainwright.search.course import search

WORKERS, TRIALS = 2, 800
PAUSE = 0.1
"""Seconds of a trial at each stop: a chunk takes a second, and two workers more than a hundred for all of them."""


def plan() -> Plan:
    """Return the plan: two rounds of a hundred chunks of four."""
    return Plan(sampler="sobol", budget=36, trials=TRIALS, rounds=2, chunk=4, save_every=10, seed=4)


def forked(folder: Path, store: str | None) -> int:
    """Start a worker; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        search(Walk(pause=PAUSE), plan(), SPACE, folder=folder, store=store)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main(words: Sequence[str]) -> None:
    """Kill one of the workers every so many seconds, another taking its place; let nobody live in the end."""
    torch.set_num_threads(1)
    folder, kills, seconds = Path(words[0]), int(words[1]), float(words[2])
    store, chance = (words[3] if len(words) > 3 else None), random.Random(kills)
    alive: list[int] = []
    killed = failed = 0
    while killed < kills:
        while len(alive) < WORKERS:
            own = folder if store is None else folder.parent / f"worker-{killed}-{len(alive)}" / folder.name
            own.mkdir(parents=True, exist_ok=True)
            alive.append(forked(own, store))
        time.sleep(seconds * chance.uniform(0.5, 1.5))
        for pid in list(alive):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                alive.remove(pid)
                failed += 1
        if alive:
            pid = alive.pop(chance.randrange(len(alive)))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            killed += 1
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(killed, failed)


if __name__ == "__main__":
    main(sys.argv[1:])
