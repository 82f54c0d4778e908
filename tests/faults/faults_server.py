"""Starts programs by fork from a process that has torch in memory already: a kill and a resume cost tenths of a second.

Run as a program it is that process: it reads a command in a line of standard input, and answers in a line.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Server:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": str(random.randrange(2**31))}
        command = [sys.executable, str(HERE / "faults_server.py")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=HERE, env=environment)
        self._answer()  # it has loaded what it needs

    def start(self, arguments: Sequence[str], output: Path) -> int:
        """Start the command line with `arguments`, its words into `output`; return its process id."""
        return self._ask({"start": list(arguments), "output": str(output)})

    def wait(self, pid: int) -> int:
        """Return the exit status of a process that was started; minus the signal that ended it."""
        return self._ask({"wait": pid})

    def run(self, arguments: Sequence[str], output: Path) -> int:
        """Let the command line run to its end."""
        return self.wait(self.start(arguments, output))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, command: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server is gone"
        return int(line)


def killed_after(server: Server, arguments: Sequence[str], output: Path, seconds: float) -> int:
    """Start the command line and kill it after so many seconds; return how it ended."""
    pid = server.start(arguments, output)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return server.wait(pid)


def _serve() -> None:
    import torch

    torch.set_num_threads(1)
    from faults_programs import warm_up

    warm_up()
    print(0, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            print(os.waitstatus_to_exitcode(os.waitpid(command["wait"], 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(command)
        print(pid, flush=True)


def _become(command: dict[str, Any]) -> None:
    os.setpgrp()  # a signal to the group reaches the workers too, and nobody else
    handle = os.open(command["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    from faults_programs import run

    status = 70
    try:
        run(command["start"])
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
