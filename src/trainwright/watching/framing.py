"""Autograd remembers the line of each operation for a while: dear, so only until the first backward pass."""

from __future__ import annotations

import torch


class Frames:
    """Autograd's own record of frames, on between `begin` and `end`; a user who wants it keeps it."""

    def __init__(self) -> None:
        self.on = False

    def begin(self) -> None:
        """Remember lines from now on, if nobody does already."""
        if not torch.is_anomaly_enabled():
            torch.autograd.set_detect_anomaly(True, check_nan=False)
            self.on = True

    def end(self) -> None:
        """Stop, unless somebody has asked for more in the meantime."""
        if self.on and torch.is_anomaly_enabled() and not torch.is_anomaly_check_nan_enabled():
            torch.autograd.set_detect_anomaly(False)
        self.on = False
