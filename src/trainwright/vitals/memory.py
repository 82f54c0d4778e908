"""Memory as it is: the peak of live tensors while something runs, and what is free on this machine."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ROOT = Path("/")


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and their peak, while the block runs.

    Every storage counts once, however many views it has, from the operation that made it to its death. A tensor that
    is met first as an input has been there before the block: it counts from the block's beginning. What a kernel
    takes for itself and gives back before it ends is not seen. Works on tensors without data ("meta", fake) as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def hold(self, tensors: Iterable[torch.Tensor]) -> None:
        """Count `tensors` as there from the beginning, whether the block uses them or not."""
        for tensor in tensors:
            self._count(tensor, was_there=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation of torch, and count what goes in and what comes out."""
        named = kwargs or {}
        self.hold(value for value in tree_leaves((args, named)) if isinstance(value, torch.Tensor))
        result = func(*args, **named)
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._count(value, was_there=False)
        return result

    def _count(self, tensor: torch.Tensor, *, was_there: bool) -> None:
        if tensor.layout != torch.strided:
            return  # a sparse tensor has no storage; the dense tensors that it is made of have been counted
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        known = self._known.get(key)
        if known is not None and known[1] == size:
            return
        if known is None:  # the storage's Python object lives exactly as long as the storage itself
            known = weakref.ref(storage, lambda _: self._forget(key)), 0
            before = was_there
        else:
            before = False  # it was resized in place
        self._known[key] = known[0], size
        self.live += size - known[1]
        self.peak = self.peak + size if before else max(self.peak, self.live)

    def _forget(self, key: int) -> None:
        self.live -= self._known.pop(key)[1]


def measure_peak(work: Callable[[], object], device: torch.device | str = "cpu") -> int:
    """Run `work` and return the most bytes of tensors that were alive at once.

    On the CPU these are the tensors that `work` makes or uses (see `LiveBytes`). Tensors that exist beside it and are
    never touched do not count, nor does what libraries take past torch's dispatcher (a compiled graph's buffers, a
    convolution's scratch space) or keep in their heaps (`give_back_freed_memory`). On a CUDA device it is the
    allocator's own peak, in which everything counts.
    """
    place = torch.device(device)
    if place.type == "cuda":
        torch.cuda.synchronize(place)
        torch.cuda.reset_peak_memory_stats(place)
        work()
        torch.cuda.synchronize(place)
        return torch.cuda.max_memory_allocated(place)
    with LiveBytes() as counted:
        work()
    return counted.peak


def available_memory(device: torch.device | str = "cpu", *, root: Path = _ROOT) -> int:
    """Return the bytes that can still be taken on `device` before something fails or is killed.

    On a CUDA device the free memory, and what torch has reserved there without using it. On Linux the least of what
    the kernel says is available (/proc/meminfo below `root`) and what every control group above this process leaves
    it, version 1 and 2, and `ulimit -v`; a group's inactive file cache counts as free: the kernel gives it up first.
    Elsewhere all memory of the machine, used or not.
    """
    place = torch.device(device)
    if place.type == "cuda":
        unused = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
        return torch.cuda.mem_get_info(place)[0] + unused
    meminfo = _table(root / "proc/meminfo")
    if "MemAvailable" not in meminfo:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, min([meminfo["MemAvailable"] * 1024, *_group_headrooms(root), *_own_headrooms(root)]))


def give_back_freed_memory() -> bool:
    """Have this process give large blocks back to the system as soon as they are freed; say whether that is done.

    For the rest of the process, and on Linux with the GNU C library alone: elsewhere it does nothing and returns False.
    That library raises the size from which it gives a freed block back to that of the largest block freed so far, up
    to 32 MiB; smaller ones stay in its heap, with gaps. A process that trains on the CPU then takes up to three times
    the memory of its tensors, and activation checkpointing saves next to nothing. Fixed at 128 KiB, where it begins,
    a process takes what its tensors take; steps are slower, because every block begins as fresh pages.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and mallopt(_MMAP_THRESHOLD, 128 * 1024) == 1


_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD in malloc.h; setting it ends its growth


def _own_headrooms(root: Path) -> Iterator[int]:
    """Yield what the limits of this process leave: of its address space, and of what it writes to."""
    import resource  # not on every system

    status = _table(root / "proc/self/status")
    for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        allowed = resource.getrlimit(limit)[0]
        if allowed != resource.RLIM_INFINITY and used in status:
            yield allowed - status[used] * 1024


def _group_headrooms(root: Path) -> Iterator[int]:
    """Yield what each control group with a limit leaves of it, from this process's own group up."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit, usage, cache = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mount, limit, usage = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        # Inside a container the path may be that of the host, and the container's own group be mounted at the top.
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            folder = root / mount / group
            allowed, used = _text(folder / limit).strip(), _text(folder / usage).strip()
            if allowed.isdigit() and used.isdigit():
                yield int(allowed) - max(0, int(used) - _table(folder / "memory.stat").get(cache, 0))


def _table(file: Path) -> dict[str, int]:
    """Return the lines "name: 12 kB" or "name 12" of a file as numbers, {} where there is no such file."""
    lines = (line.replace(":", " ").split() for line in _text(file).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
