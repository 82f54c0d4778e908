"""Where the time of a step goes: laps between the phases, taken only when asked for."""

from __future__ import annotations

import time

import torch

PHASES = ("data", "forward", "backward", "update", "doctor", "evaluation")
"""Waiting for batches, the phases of the step, the doctor's measurements and records, and all between the steps."""


class Clock:
    """Adds up seconds by phase. Off, it does nothing; on, it waits for the accelerator at each lap, so that the time
    is booked where the work is done and not where the queue happens to be full.
    """

    def __init__(self, *, on: bool = False) -> None:
        self.on = on
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Book the time since the last lap on `phase`."""
        if not self.on:
            return
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # syncs the accelerator: profiling alone comes here
        now = time.perf_counter()
        self.seconds[phase] += now - self._last
        self._last = now
