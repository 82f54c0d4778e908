"""Numbers that are still being computed: on the CPU they are there at once; an accelerator is never waited for.

A device's numbers are copied to pinned memory behind its own work, and read when the copy's event has passed: one or
more steps late, and without a synchronisation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch

Number = float | torch.Tensor
"""A value that is known already, or one that lies on an accelerator."""
Take = Callable[[list[float]], None]


class Delayed:
    """Numbers on their way, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, torch.Tensor, Take]] = deque()

    def read(self, values: Sequence[Number], take: Take) -> None:
        """Give `values`, numbers or 0-dimensional tensors, to `take`: now, or when `poll` finds them arrived."""
        away = [value for value in values if isinstance(value, torch.Tensor) and not value.is_cpu]
        if not away:
            take([float(value) for value in values])
            return
        device = away[0].device
        wide = torch.float64 if device.type == "cuda" else torch.float32  # Metal has no float64
        tensors = [torch.as_tensor(value).detach() for value in values]
        together = torch.stack([value.to(device, wide, non_blocking=True) for value in tensors])
        if device.type != "cuda":
            take(together.tolist())  # syncs: devices other than CUDA's have no events to ask
            return
        arrived = torch.empty(together.shape, dtype=together.dtype, pin_memory=True)
        arrived.copy_(together, non_blocking=True)
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(device))
        self._waiting.append((event, arrived, take))

    def poll(self) -> None:
        """Hand out what has arrived."""
        while self._waiting and self._waiting[0][0].query():
            _, arrived, take = self._waiting.popleft()
            take(arrived.tolist())

    def drain(self) -> None:
        """Wait for everything: at the end only."""
        while self._waiting:
            event, arrived, take = self._waiting.popleft()
            event.synchronize()  # syncs
            take(arrived.tolist())
