"""A stranger's weights, read in a process of its own: little memory, no other program, no network, no file written.

Run as `python -m trainwright.parts.weight_import FILE OUTPUT`, this is that process. What it has to say is one JSON
document on standard output: the names, shapes and types of what it wrote, or why it refused.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from trainwright.errors import RunError, TrainwrightError
from trainwright.parts.weight_files import read_weights

CPU_SECONDS = 300
"""Processor time that a reader may take; a file of 10 GB takes about a minute."""
_ROOM = 2**30  # memory beside three times the file: it is mapped, copied where tensors share, and written
_SHARED = 4  # times the file's size that all tensors may take: tied weights are written once for each name
_FORBIDDEN = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile", "os.putenv"),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink"),
    *("os.truncate", "os.kill", "shutil.", "subprocess.", "pty.", "socket.", "urllib.", "http.", "ftplib."),
    *("ctypes.dlopen", "webbrowser.", "pickle.find_class"),  # the last: a pickle that torch does not read as weights
)


class Guard:
    """While it is shut, whatever Python reports that would reach outside the process is refused."""

    def __init__(self) -> None:
        self.shut = False
        sys.addaudithook(self._look)

    def _look(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.shut:
            return
        writes = event == "open" and (given[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if writes or event.startswith(_FORBIDDEN):
            raise RunError(
                "the file tried to do more than to be read, and was stopped",
                evidence=f"{event} {given[0] if given else ''}"[:200],
                remedy="do not open it with any other program; get weights as safetensors",
            )


def limit(size: int) -> None:
    """Let this process have no more memory, processor time and file than the weights in `size` bytes can need."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _on_linux() else 0
    bounds = {resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: _SHARED * size + _ROOM}
    if held:
        bounds[resource.RLIMIT_AS] = held + 3 * size + _ROOM
    for kind, most in bounds.items():
        allowed = resource.getrlimit(kind)[1]
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (most, allowed))


def _on_linux() -> bool:
    return sys.platform.startswith("linux")


def convert(path: Path, output: Path) -> dict[str, Any]:
    """Write the tensors of `path` to `output` as safetensors; return their number, bytes, shapes and types.

    Raises `RunError` where the file is no weights, or its tensors claim more than it holds.
    """
    guard = Guard()
    guard.shut = True
    try:
        state = read_weights(path)
    finally:
        guard.shut = False
    _check(state, path)
    own = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()}
    save_file(own, output)
    return {
        "tensors": {name: {"shape": list(value.shape), "dtype": str(value.dtype)[6:]} for name, value in own.items()},
        "bytes": sum(value.nbytes for value in own.values()),
    }


def _check(state: Mapping[str, torch.Tensor], path: Path) -> None:
    size, total = path.stat().st_size, 0
    for name, value in state.items():
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise RunError(
                f"'{name}' in {path} is no plain tensor",
                evidence=f"{value.layout}, {value.dtype}, on {value.device}",
                remedy="let whoever made it save dense tensors",
            )
        total += value.nbytes
        if value.nbytes > value.untyped_storage().nbytes() or total > _SHARED * size:
            raise RunError(
                f"'{name}' in {path} claims to be larger than the file",
                evidence=f"its shape is {tuple(value.shape)}; the file has {size:,} bytes",
                remedy="get the file again from where it was published, best as safetensors",
            )


def main() -> None:
    """Convert what the command line names, and answer."""
    path, output = map(Path, sys.argv[1:3])
    try:
        limit(path.stat().st_size if path.is_file() else 0)
        answer = convert(path, output)
    except TrainwrightError as problem:
        answer = {"error": [problem.what, problem.evidence, problem.remedy], "status": problem.exit_status}
    except (OSError, RuntimeError, MemoryError, ValueError) as problem:
        words = str(problem).strip().splitlines()
        answer = {"error": [f"{path} cannot be read as weights", f"{type(problem).__name__}: {words[:1]}", ""]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
