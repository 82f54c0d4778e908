"""Runs the blocks of a page in a process of their own: one folder, one namespace, one seed for the whole page."""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import sklearn.datasets  # noqa: F401 - imported before the first fork, and so only once
import torch
from docs.blocks import ROOT, Block

SEED = 0
WIDTH = 96
"""Columns of what is printed: what a page shows without scrolling."""
_LONGEST = 100


class Failed(Exception):
    """A block did not run; its message says which, and how it ended."""


def run_page(page: Path, blocks: Sequence[Block], peers: Path | None = None) -> list[tuple[Block, str]]:
    """Return what each block printed, on standard output and on standard error, in its order.

    Files print nothing, blocks of other libraries what is written under them where `peers` is None. Raises `Failed`.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, answer = Path(place) / "page", Path(place) / "answer.json"
        folder.mkdir()
        shutil.copytree(ROOT / "examples", folder / "examples")
        child = os.fork()
        if child == 0:
            try:
                answer.write_text(json.dumps(_outputs(page, blocks, folder, peers)), encoding="utf-8")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if not answer.is_file():
            raise Failed("its process ended before its code did")
        told = json.loads(answer.read_text(encoding="utf-8"))
    if "failed" in told:
        raise Failed(told["failed"])
    return list(zip(blocks, told["outputs"], strict=True))


def _outputs(page: Path, blocks: Sequence[Block], folder: Path, peers: Path | None) -> dict[str, Any]:
    os.chdir(folder)
    quiet = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(WIDTH), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    os.environ |= quiet | {"HOME": str(folder), "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)])}
    sys.path.insert(0, str(folder))
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    numpy.random.seed(SEED)
    random.seed(SEED)
    script = f"{page.stem.replace('-', '_')}.py"
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(folder / script)}
    sys.modules["__main__"].__dict__.update(__file__=names["__file__"])
    outputs, source = [], ""
    for block in blocks:
        text = ""
        if file := block.option("file"):
            Path(file).write_text(block.body + "\n", encoding="utf-8")
        if block.of_peers and peers is None:
            outputs.append(block.written)
            continue
        if "exec" not in block.words:
            outputs.append("")
            continue
        try:
            with _caught(folder.parent / "printed") as printed:
                if block.of_peers:
                    _by_peers(block, peers or Path())
                elif block.kind == "python":
                    # The lines above are kept: a finding in a second block names the line of the page's program.
                    lines_before = source.count("\n")
                    source += block.body + "\n\n"
                    Path(script).write_text(source, encoding="utf-8")
                    linecache.checkcache(script)
                    exec(compile("\n" * lines_before + block.body, names["__file__"], "exec"), names)
                else:
                    _commands(block.body)
            text = printed[0]
        except BaseException:
            said = (folder.parent / "printed").read_text(encoding="utf-8", errors="replace")[-1500:]
            return {"failed": f"\n{block.body}\n{said}\n{traceback.format_exc(limit=-4)}"}
        outputs.append(_shortened(text.replace(f"{folder}/", "").replace(str(folder), "."), block))
    return {"outputs": outputs}


@contextlib.contextmanager
def _caught(file: Path) -> Iterator[list[str]]:
    """Gather what this process and its children print on both streams."""
    printed: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with open(file, "w+b") as caught:
        os.dup2(caught.fileno(), 1)
        os.dup2(caught.fileno(), 2)
        try:
            yield printed
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)
    printed.append(file.read_text(encoding="utf-8", errors="replace").strip("\n"))


def _commands(text: str) -> None:
    """Run the lines that begin with `$`; a status that is not 0 is told under the command's own words."""
    for number, line in enumerate(line[2:] for line in text.splitlines() if line.startswith("$ ")):
        if number:
            print(flush=True)
        program, *arguments = shlex.split(line, comments=True)
        if program == "trainwright":
            status = _trainwright(arguments)
        elif program in ("python", "cat", "ls"):
            command = [sys.executable if program == "python" else program, *arguments]
            status = subprocess.run(command, check=False).returncode
        else:
            raise ValueError(f"{program} is no program that a page may run")
        if status:
            os.write(1, f"(exit status {status})\n".encode())


def _trainwright(arguments: list[str]) -> int:
    """Run the command line in a copy of this process: it need not wait for torch again."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            from trainwright.cli.main import main

            main(arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _by_peers(block: Block, python: Path) -> None:
    """Run a program by the interpreter that has its library; commands likewise, with what they say of themselves."""
    if block.kind == "console":
        program, *arguments = shlex.split(block.body.removeprefix("$ "))
        subprocess.run([str(python), "-m", program, *arguments], check=False)
        return
    subprocess.run([str(python), block.option("file") or ""], check=True, stderr=subprocess.DEVNULL)


def _shortened(text: str, block: Block) -> str:
    lines = [line.rstrip()[: 4 * _LONGEST] for line in text.splitlines()]
    first, last = (int(block.option(name) or 0) for name in ("head", "tail"))
    if (first or last) and len(lines) > first + last + 1:
        lines = [*lines[:first], "...", *(lines[-last:] if last else [])]
    return "\n".join(lines)
