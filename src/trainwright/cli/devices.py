"""Several processes for one training: started by torch's own launcher, ended together, and the first reason told."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.errors import EXIT_LOST, RunError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

PROCESSES_A_CORE = 4
"""Processes that may share a core: a second one makes nothing faster, a few are let through to try things out."""
SHUTDOWN_SECONDS = 60
"""Time for the processes to finish a step and save its state, once they are told to end."""
_QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR"}  # torch says in each process what it thinks of the settings of its wrapper


def launched() -> bool:
    """Say whether this process is one of several that were started for one training."""
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def leads() -> bool:
    """Say whether this process is the one that speaks."""
    return not launched() or os.environ.get("RANK", "0") == "0"


def quieted(console: Console) -> Console:
    """Return the console, or one that says nothing where another process speaks."""
    if leads():
        return console
    from rich.console import Console as Made

    return Made(quiet=True)


def check_devices(count: int, device: str) -> None:
    """Raise `UsageError` where `count` processes have not as many devices."""
    import torch

    if count < 1:
        raise UsageError(f"--devices {count} are none", remedy="--devices 1, or more")
    if device != "cpu" and torch.cuda.is_available():
        there, what = torch.cuda.device_count(), "GPU"
        most = there
    else:
        there, what = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, "core"
        most = there * PROCESSES_A_CORE
    if count > most:
        raise UsageError(
            f"--devices {count} are more than there are",
            evidence=f"this machine has {there} {what}{'s' * (there != 1)}",
            remedy=f"--devices {there}"
            + (f"; up to {most} are let through, to try things out" if most > there else ""),
        )


def launch(command: Sequence[str], count: int, *, kept: Path) -> int:
    """Run `python -m trainwright COMMAND` as `count` processes of one training on this machine; return their status.

    The first process has the terminal; what the others print is kept for the case that one of them fails. Raises
    `RunError` with the reason of the first to fail, where it could not say it itself; the run is `kept` in a folder.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _hush()
    with tempfile.TemporaryDirectory(prefix="trainwright-") as folder, _environment(_threads(count) | _QUIET):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=str(os.getpid()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            monitor_interval=0.2,
            shutdown_timeout=SHUTDOWN_SECONDS,
            logs_specs=DefaultLogsSpecs(log_dir=folder, redirects=dict.fromkeys(range(1, count), Std.ALL)),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "trainwright", *command)
        except SignalException as ended:
            return 128 + int(ended.sigval)
        except ChildFailedError as failed:
            return _told(failed, Path(folder), f"trainwright resume {kept} --devices {count}")
    return 0


def _told(failed: Any, folder: Path, again: str) -> int:
    """Return the status of the first process, which has told why, or raise the reason of the one that failed first."""
    first = failed.failures.get(0)
    if first is not None and first.exitcode >= 0 and first.exitcode != EXIT_LOST:
        return int(first.exitcode)
    rank, failure = failed.get_first_failure()
    status = int(failure.exitcode)
    said = _last_words(folder, rank)
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    raise RunError(
        f"process {rank} of the training {how}, and so the others were ended too",
        evidence=said,
        remedy=f"what was saved is whole; go on with: {again}",
    )


def _last_words(folder: Path, rank: int) -> str:
    """Return the last lines that a process printed to standard error, "" where it said nothing."""
    for file in sorted(folder.rglob(f"{rank}/stderr.log")):
        lines = [line.rstrip() for line in file.read_text(errors="replace").splitlines() if line.strip()]
        starts = [place for place, line in enumerate(lines) if line.startswith("error:")]
        if starts:
            return " ".join(" ".join(lines[starts[-1] :]).removeprefix("error:").split())[:600]
        if lines:
            return lines[-1].strip()[:600]
    return ""


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Let the processes that are started in the block find variables that are not there yet."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def _threads(count: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // count))}


def _hush() -> None:
    """Keep the launcher from telling in its log what is told here in words."""
    import logging

    for name in ("torch.distributed.elastic", "torch.distributed.launcher"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def words(name: str, value: object) -> list[str]:
    """Return an option as the words of a command, none where it is not set."""
    if value is None or value is False:
        return []
    if value is True:
        return [name]
    if isinstance(value, list | tuple):
        return [word for each in value for word in (name, str(each))]
    return [name, str(value)]
