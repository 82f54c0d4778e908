"""A stranger's file of weights to safetensors, read where it can do no harm."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.errors import EXIT_USAGE, RunError, TrainwrightError, UsageError, did_you_mean
from trainwright.parts.weight_files import SAFE, TORCH, is_weights
from trainwright.runs.durable import check_unused, whole

_SECONDS = 900  # on the clock; the reader's processor time is bounded lower


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was written: `tensors` holds the shape and the type of each by its name, `size` is their bytes."""

    output: Path
    tensors: Mapping[str, Mapping[str, Any]]
    size: int


def import_weights(file: Path, output: Path | None = None, *, overwrite: bool = False) -> Imported:
    """Write the tensors of a foreign file (.pt, .pth, .bin, .ckpt, .safetensors) as safetensors.

    The file is read as weights alone, its archive member by member before, in a process of its own that has little
    memory, starts no program, reaches no network and writes nothing while it reads. `output` is else the file's name
    with the ending .safetensors, in the current folder. Raises `RunError` and `UsageError` where the file is damaged,
    holds more than weights, or claims to hold more than it does.
    """
    if not is_weights(file):
        raise UsageError(
            f"{file} is no file of weights",
            evidence=f"its name ends in '{file.suffix}'" if file.suffix else "its name has no ending",
            remedy=f"weights end in {', '.join(TORCH)} or {SAFE}",
        )
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is no regular file", remedy="give the path of a file of weights")
    if not file.is_file():
        near = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        raise UsageError(f"there is no file {file}", remedy=did_you_mean(file.name, near) if near else "check its path")
    output = output or Path(file.with_suffix(SAFE).name)
    if output.suffix.lower() != SAFE:
        raise UsageError(f"weights are written as {SAFE}", evidence=f"--output {output}")
    check_unused(output, overwrite=overwrite)
    with whole(output, overwrite=overwrite) as place:
        answer = _read_apart(file, place)
    return Imported(output=output, tensors=answer["tensors"], size=answer["bytes"])


def _read_apart(file: Path, place: Path) -> dict[str, Any]:
    """Return what the reader in a process of its own answers, after it has written `place`."""
    # -P: a torch.py or json.py beside the file is no module of the reader's.
    command = [
        sys.executable,
        "-P",
        "-m",
        "trainwright.parts.weight_import",
        str(file.absolute()),
        str(place.absolute()),
    ]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise _killed(file, f"it had not ended after {_SECONDS} seconds") from None
    if done.returncode < 0:
        raise _killed(file, f"the reader was ended by {signal.Signals(-done.returncode).name}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _killed(file, said[-1][:200] if said else f"the reader ended with status {done.returncode}") from None
    if "error" in answer:
        what, evidence, remedy = answer["error"]
        kind: type[TrainwrightError] = UsageError if answer.get("status") == EXIT_USAGE else RunError
        raise kind(what, evidence=evidence, remedy=remedy)
    return answer


def _killed(file: Path, evidence: str) -> RunError:
    return RunError(
        f"{file} could not be read within the limits that a stranger's file gets",
        evidence=evidence,
        remedy="it is damaged, or made to do harm: get the weights as safetensors",
    )
