"""What a run has cost, from its clock and its records."""

from __future__ import annotations

import resource
import sys

import torch

from trainwright.records import Chart
from trainwright.report.profile_text import Profile
from trainwright.training.clock import Clock


def profile_of(clock: Clock, chart: Chart) -> Profile:
    """Return the profile of a run that has ended: of the device where an accelerator was used, else of the process."""
    if torch.cuda.is_initialized():
        peak, whose = torch.cuda.max_memory_allocated(), "device"
    else:
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
        peak, whose = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "process"
    return Profile(
        seconds=dict(clock.seconds),
        samples=sum(record.samples for record in chart.steps),
        steps=len(chart.steps),
        peak_bytes=peak,
        memory_of=whose,
    )
