"""Two machines that are network namespaces of this one: own addresses, a cable between them, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from distributed_launching import ROOT, SECONDS

CABLE = "cable0"


def may_be_made() -> bool:
    """Say whether this process may make network namespaces."""
    if shutil.which("ip") is None:
        return False
    name = f"try-{uuid.uuid4().hex[:8]}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    return made


@dataclass(frozen=True)
class Nodes:
    """The names of the namespaces; the first has the address 10.77.0.1, the second 10.77.0.2."""

    names: Sequence[str]

    def torchrun(self, *words: object, options: Sequence[str] = (), path: Sequence[Path] = ()) -> list[tuple[int, str]]:
        """Run a program in one process on each of them; return its status and what it printed, by machine."""
        places = os.pathsep.join(map(str, [*path, ROOT / "src", ROOT]))
        environment = {**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": CABLE}
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *options]
        hosts = "c10d" in options  # the launcher does not know by itself which of them has the address
        own = [
            ["--node-rank", str(rank), "--local-addr", f"10.77.0.{rank + 1}"]
            + (["--rdzv-conf", f"is_host={int(rank == 0)}"] if hosts else [])
            for rank in range(len(self.names))
        ]
        started = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, *launcher, *own[rank], *map(str, words)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank, name in enumerate(self.names)
        ]
        try:
            said = [process.communicate(timeout=SECONDS)[0] for process in started]
        finally:
            for process in started:
                with suppress(ProcessLookupError):
                    process.kill()
                process.communicate()
        return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


@contextmanager
def nodes() -> Iterator[Nodes]:
    """Make two namespaces with a cable between them for the block."""
    mark = uuid.uuid4().hex[:6]
    names = [f"tw-{mark}-{number}" for number in (1, 2)]
    ends = [f"tw{mark}{number}" for number in (1, 2)]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), start=1):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "link", "set", end, "name", CABLE)
            _ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", CABLE)
            _ip("-n", name, "link", "set", CABLE, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield Nodes(names)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
