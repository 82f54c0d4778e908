"""The command `import`: a stranger's weights to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.errors import UsageError


def run(
    console: Console, document: dict[str, Any], file: Path, *, output: Path | None, untrusted: bool, overwrite: bool
) -> None:
    """Import `file`, and print what was written; fill `document`."""
    if not untrusted:
        raise UsageError(
            f"{file} was made by somebody else, and is read as such or not at all",
            evidence="files of torch are pickles, which can name any code to be run",
            remedy=f"trainwright import {file} --untrusted reads its tensors alone, in a process of its own",
        )
    from trainwright.stages.import_weights import import_weights

    made = import_weights(file, output, overwrite=overwrite)
    say(console, f"{len(made.tensors):,} tensors, {made.size:,} bytes, in {made.output}")
    say(console, f"to start a training from them: model.start = '{made.output}'")
    document.update(file=str(file), output=str(made.output), tensors=dict(made.tensors), bytes=made.size)
