"""Where a run's time and memory went, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainwright.report.numbers import number

_WORDS = {
    "data": "waiting for batches",
    "forward": "forward pass and loss",
    "backward": "backward pass",
    "update": "unscale, clip, optimizer",
    "doctor": "the doctor's measurements, records",
    "evaluation": "evaluation, saving, display",
}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a run cost: seconds by phase, the samples trained on, and the most memory that was in use, in bytes.

    `memory_of` says what the memory is that of: "process" (everything, the libraries too) or "device".
    """

    seconds: Mapping[str, float]
    samples: int
    steps: int
    peak_bytes: int
    memory_of: str

    @property
    def samples_per_second(self) -> float:
        """Samples a second of training alone, without evaluation."""
        training = sum(seconds for phase, seconds in self.seconds.items() if phase != "evaluation")
        return self.samples / training if training > 0 else 0.0


def render_profile(profile: Profile) -> str:
    """Return the profile as aligned lines, a bar for each phase."""
    total = sum(profile.seconds.values()) or 1.0
    lines = [f"profile of {profile.steps:,} steps, {profile.samples:,} samples"]
    for phase, seconds in profile.seconds.items():
        share = seconds / total
        milliseconds = 1000 * seconds / max(profile.steps, 1)
        what = f"{phase:<11}{_WORDS.get(phase, ''):<36}"
        lines.append(f"  {what}{seconds:>9.2f} s {share:>6.1%} {milliseconds:>9.3f} ms/step  {'█' * round(24 * share)}")
    lines.append(f"  {number(profile.samples_per_second)} samples/s in training")
    lines.append(f"  peak memory of the {profile.memory_of}: {profile.peak_bytes / 2**20:,.0f} MiB")
    return "\n".join(lines)
