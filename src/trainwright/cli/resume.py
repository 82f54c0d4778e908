"""The command `resume`: a run that was broken off goes on, and it is said from where, and whether bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.train import answer, finish_too, parse_change


def run(
    console: Console,
    document: dict[str, Any],
    folder: Path,
    *,
    changes: Sequence[str],
    data_root: str | None,
    strict: bool,
) -> None:
    """Go on with the run in `folder`; fill `document`."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.cli.progress import Progress
    from trainwright.cli.train import told_of_users_code
    from trainwright.stages.resume import Resumption
    from trainwright.stages.train import run_json

    with Resumption(folder, changes=parsed, data_root=data_root, strict=strict) as resumption:
        if resumption.ended:
            ended = resumption.run
            assert ended is not None
            assert ended.outcome is not None
            more = "" if ended.outcome.status == "diverged" else "; for more of it: --set train.epochs=N"
            say(console, f"{folder}: the run has ended ({ended.outcome.status}), there is nothing to go on with{more}")
            document.update(run_json(ended.outcome, ended.findings, ended.digest, folder))
            document["status"] = 0
            return
        setup = resumption.setup()
        with Progress(console, setup.info) as progress, told_of_users_code(folder):
            finished = resumption.carry_out([progress], setup=setup)
    answer(console, document, finished)
    finish_too(console, document, setup.recipe, finished, data_root)
