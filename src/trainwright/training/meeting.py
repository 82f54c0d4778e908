"""How several processes of one training find one another: on a store that may still hold what others left there.

A launcher that starts a job again keeps its store, with the addresses of the processes that are gone; whoever reads one
of those waits for nobody. So each attempt takes keys of its own: the first process makes up a name, the others say to
it who they are, and it answers with the list of all. Nobody goes on who is not on that list.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta

import torch
from torch import distributed

from trainwright.errors import UsageError, first_line
from trainwright.interruption import poll

REACH_SECONDS, LATE_SECONDS = 60.0, 300.0
"""Time for the store to answer where a launcher has it ready, and where the first process brings it (queues)."""
MEET_SECONDS = 300.0
"""Time for all to come: processes of one job are started together, but read their libraries from one slow disk."""
_ATTEMPT_SECONDS = 5.0  # after which an attempt to connect is made anew, and whether to stop is asked
_LOOK_SECONDS = 0.05
_LEAD = "trainwright/lead"


def number_of(name: str, default: int) -> int:
    """Return a number of the environment."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default


def meet(device: str) -> bool:
    """Join the process group that the environment tells of: gloo between CPUs, NCCL between GPUs.

    Return whether a launcher has started the job again. Whether to stop is asked all the while. Raises `UsageError`
    where the others are not to be found.
    """
    cuda = torch.cuda.is_available() and not device.startswith("cpu")
    if cuda:
        _take_gpu()
    rank, world = number_of("RANK", 0), number_of("WORLD_SIZE", 1)
    if rank >= world:
        raise UsageError(f"RANK={rank} is none of WORLD_SIZE={world}", remedy="number them from 0")
    store = _store(rank)
    prefix, again = agree(store, rank, world)
    store.set_timeout(timedelta(seconds=MEET_SECONDS))
    own = distributed.PrefixStore(prefix, store)
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", store=own, rank=rank, world_size=world)
    except (RuntimeError, ValueError) as problem:
        raise _not_found(first_line(problem)) from None
    return again


def agree(store: distributed.Store, rank: int, world: int, seconds: float = MEET_SECONDS) -> tuple[str, bool]:
    """Return the name of this attempt of `world` processes to meet, the same to all of them and to nobody before.

    And whether it is another attempt: who restarts a job counts that on each machine by itself, and counts no restart
    where a machine has come or gone, but the store has seen it. Raises `UsageError` where the processes are not
    complete after `seconds`.
    """
    own = uuid.uuid4().hex
    if rank == 0:
        again = store.check([_LEAD]) or number_of("TORCHELASTIC_RESTART_COUNT", 0) > 0
        store.set(_LEAD, own)
        keys = [f"{own}/{other}" for other in range(1, world)]
        for _ in _until(seconds):
            if store.check(keys):
                there = [own, *(store.get(key).decode() for key in keys)]
                store.set(f"{own}/all", json.dumps({"ranks": there, "again": again}))
                return own, again
        missing = [other for other, key in enumerate(keys, start=1) if not store.check([key])]
        raise _not_found(f"{_ranks(missing)} did not come within {seconds:g} seconds", all_there=False)
    told = ""
    for _ in _until(seconds):
        lead = store.get(_LEAD).decode() if store.check([_LEAD]) else ""
        if lead and lead != told:
            store.set(f"{lead}/{rank}", own)
            told = lead
        if lead and store.check([f"{lead}/all"]):
            listed = json.loads(store.get(f"{lead}/all"))
            if listed["ranks"][rank] == own:  # an older list holds who was of that rank then
                return lead, listed["again"]
    raise _not_found(f"rank 0 did not answer rank {rank} within {seconds:g} seconds", all_there=False)


def _store(rank: int) -> distributed.TCPStore:
    """Connect to the store at MASTER_ADDR:MASTER_PORT, which a launcher has there, or else the first process brings."""
    launched = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    problem: Exception | None = None
    for _ in _until(REACH_SECONDS if launched else LATE_SECONDS):
        try:
            return distributed.TCPStore(
                os.environ["MASTER_ADDR"],
                number_of("MASTER_PORT", 0),
                is_master=rank == 0 and not launched,
                timeout=timedelta(seconds=_ATTEMPT_SECONDS),
                wait_for_workers=False,
                multi_tenant=True,
            )
        except KeyError as missing:
            raise _not_found(f"{missing.args[0]} is not set") from None
        except (RuntimeError, ValueError) as found:
            problem = found
            if "address already in use" in str(found).lower():
                break
    raise _not_found(first_line(problem) if problem is not None else "")


def _until(seconds: float) -> Iterator[None]:
    """Go round until the time is up, or somebody asks this process to stop."""
    deadline = time.monotonic() + seconds
    while True:
        poll()
        yield
        if time.monotonic() >= deadline:
            return
        time.sleep(_LOOK_SECONDS)


def _take_gpu() -> None:
    local, there = number_of("LOCAL_RANK", 0), torch.cuda.device_count()
    if local >= there:
        raise UsageError(
            "there are more processes on this machine than GPUs",
            evidence=f"process {local} of it, and {there} GPU{'s' * (there != 1)}",
            remedy=f"start at most {there} here, or set train.device to 'cpu'",
        )
    torch.cuda.set_device(local)


def _ranks(numbers: Sequence[int]) -> str:
    return f"rank{'s' * (len(numbers) != 1)} {', '.join(map(str, numbers[:8]))}" + ", ..." * (len(numbers) > 8)


def _not_found(evidence: str, *, all_there: bool = True) -> UsageError:
    where = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
    return UsageError(
        f"the processes that are to train together do not find one another at {where}",
        evidence=evidence,
        remedy="start them by torchrun, or by trainwright train --devices N"
        if all_there
        else "start as many as WORLD_SIZE says, and see what the missing ones printed",
    )
