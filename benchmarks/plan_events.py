"""Discrete events of many machines: a store that one worker at a time may write, and steps that all wait for."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search: `trials` in `rounds`, `chunk` of them side by side for `seconds`, give or take `spread` of that.

    `stops` are the moments at which a chunk takes the store for `hold` seconds, once to begin included.
    """

    devices: int
    trials: int
    rounds: int
    chunk: int
    seconds: float
    spread: float
    stops: int
    hold: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a search went: the time it took, and the shares of all devices' time that were work, queue, and idleness."""

    seconds: float
    busy: float
    waiting: float
    idle: float
    store: float


def simulate_search(search: Search, seed: int = 0) -> Outcome:
    """Play a search: workers take chunks in order, queue for the store, and wait for a round's last chunk."""
    random = np.random.default_rng(seed)
    sigma = float(np.sqrt(np.log1p(search.spread**2)))
    per_round = [search.trials // search.rounds] * search.rounds
    now = free = busy = waited = held = 0.0
    for trials in per_round:
        chunks = -(-trials // search.chunk)
        times = search.seconds * random.lognormal(-(sigma**2) / 2, sigma, chunks) / search.stops
        # An event: when a worker wants the store, what it has still to train, and for how long each time.
        events = [(now, worker, 0, 0.0) for worker in range(min(search.devices, chunks))]
        heapq.heapify(events)
        begun, end = 0, now
        while events:
            time, worker, left, piece = heapq.heappop(events)
            start = max(time, free)
            free = start + search.hold
            waited += start - time
            held += search.hold
            end = max(end, free)
            if left == 0:  # it takes the next chunk, or finds none
                if begun < chunks:
                    piece = float(times[begun])
                    begun, left = begun + 1, search.stops
                else:
                    continue
            busy += piece
            heapq.heappush(events, (free + piece, worker, left - 1, piece))
        now = end
    total = now * search.devices
    return Outcome(
        seconds=now,
        busy=busy / total,
        waiting=(waited + held) / total,
        idle=1 - (busy + waited + held) / total,
        store=held / now,
    )


def straggling(devices: int, spread: float, pauses: float, length: float, steps: int = 2_000, seed: int = 0) -> float:
    """Return the share of time that devices work, where every step waits for the slowest of all.

    Each device's step takes 1, give or take `spread` of that (normal); in `pauses` of its steps it takes `length` more.
    """
    random = np.random.default_rng(seed)
    slowest = worked = 0.0
    for _ in range(steps):
        times = np.maximum(0.5, random.normal(1.0, spread, devices)) + length * (random.random(devices) < pauses)
        slowest += float(times.max())
        worked += float(times.mean())
    return worked / slowest
