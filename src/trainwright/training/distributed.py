"""Several processes that train one model: which of them this one is, and the few words that they exchange.

`ALONE` is a process by itself: what it says comes back to it, so that whoever asks need not ask how many there are.
torchrun, or `--devices`, starts the processes and tells each its rank by the environment.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import distributed

from trainwright.errors import PeerLost, SaidElsewhere, TrainwrightError, first_line
from trainwright.training.meeting import meet, number_of

_LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Connection refused",
    "Socket closed",
    "remote process exited",
    "Application timeout caused pair closure",
)
"""What gloo, the store and NCCL say where the process at the other end is gone."""
GRACE_SECONDS = 2.0
"""A process that has lost another waits so long before it ends: the first to fail is the one whose reason counts."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train together. Every method must be called by all of them, in the same order.

    `again` says that a launcher has started all of them once more, after one had gone.
    """

    rank: int = 0
    world: int = 1
    again: bool = False

    @property
    def many(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        """Return the numbers of all ranks, in order of rank, bit for bit the same on each of them."""
        if not self.many:
            return [list(values)]
        own = torch.tensor(values, dtype=torch.float64)
        found = [torch.empty_like(own) for _ in range(self.world)]
        distributed.all_gather(found, own)
        return [each.tolist() for each in found]

    def everybody(self, text: str) -> list[str]:
        """Return what each rank says."""
        if not self.many:
            return [text]
        said: list[str] = [""] * self.world
        distributed.all_gather_object(said, text)
        return said

    def told(self, text: str = "") -> str:
        """Return what rank 0 says."""
        if not self.many:
            return text
        said = [text]
        distributed.broadcast_object_list(said, src=0)
        return said[0]

    def total(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace floating-point tensors of one type and device by their sums over all ranks."""
        if not self.many or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all ranks fail where one does, in the block or at its end: the first of them says why, the rest nothing.

        The block itself must exchange nothing.
        """
        problem: TrainwrightError | None = None
        try:
            yield
        except TrainwrightError as found:
            problem = found
        if not self.many:
            if problem is not None:
                raise problem
            return
        failed = [rank for rank, said in enumerate(self.everybody("" if problem is None else "failed")) if said]
        if problem is not None and failed[0] == self.rank:
            raise problem
        if failed:
            raise SaidElsewhere(f"rank {failed[0]} says why") from problem


ALONE = Ranks()


def is_called() -> bool:
    """Say whether the environment tells of other processes that train with this one."""
    return number_of("WORLD_SIZE", 1) > 1


def own_rank() -> int:
    """Return the rank of this process as the environment tells it, 0 where it is alone."""
    return number_of("RANK", 0) if is_called() else 0


@contextmanager
def joined(device: str = "auto") -> Iterator[Ranks]:
    """Meet the other processes that the environment tells of, for the block; alone where it tells of none.

    Where one of them ends without a word, the others end with `PeerLost`. All leave together.
    """
    if not is_called():
        yield ALONE
        return
    meets = not distributed.is_initialized()
    again = meet(device) if meets else False
    ranks = Ranks(rank=distributed.get_rank(), world=distributed.get_world_size(), again=again)
    try:
        yield ranks
        ranks.told()  # rank 0 has written everything
    except Exception as problem:
        if not lost_another(problem):
            raise
        time.sleep(GRACE_SECONDS)
        raise PeerLost(
            "another process of this training has ended",
            evidence=first_line(problem),
            remedy="its own words, or those of torchrun, say why",
        ) from problem
    finally:
        if meets:
            gc.collect()  # wrappers that hold the group: its threads must have ended before Python does
            with suppress(Exception):  # what broke off is what must be told
                distributed.destroy_process_group()


def lost_another(problem: BaseException | None) -> bool:
    """Say whether an error, or one that it came from, means that another process is gone."""
    while problem is not None:
        if isinstance(problem, RuntimeError) and any(words in str(problem) for words in _LOST):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
