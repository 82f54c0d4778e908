"""The command `resume`: a run that was broken off goes on, and it is said from where, and whether bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.devices import check_devices, launch, quieted, words
from trainwright.cli.train import answer, finish_too, parse_change

if TYPE_CHECKING:
    from trainwright.training.distributed import Ranks


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
    from trainwright.training.distributed import joined

    with joined(str(parsed.get("train.device", "auto"))) as ranks:
        console = quieted(console)
        go_on(console, document, folder, changes=parsed, data_root=data_root, strict=strict, ranks=ranks)


def on_devices(folder: Path, changes: Sequence[str], devices: int, told: Mapping[str, object]) -> int:
    """Go on with a run in as many processes as there are to be `devices`; return their exit status."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.runs.layout import RECIPE
    from trainwright.stages.ranks import check_divides
    from trainwright.stages.recipe import Recipe

    if (folder / RECIPE).is_file():
        recipe = Recipe.read(folder / RECIPE, parsed)
        check_devices(devices, recipe.train.device)
        check_divides(recipe, devices)
    options = [word for name, value in {"--set": changes, **told}.items() for word in words(name, value)]
    return launch(["resume", str(folder), *options], devices, kept=folder)


def go_on(
    console: Console,
    document: dict[str, Any],
    folder: Path,
    *,
    changes: Mapping[str, Any],
    data_root: str | None,
    strict: bool,
    ranks: Ranks,
) -> None:
    """Go on with the run in `folder`, all `ranks` together; fill `document`."""
    from trainwright.cli.progress import Progress
    from trainwright.cli.train import told_of_users_code
    from trainwright.stages.ranks import check_divides
    from trainwright.stages.resume import Resumption
    from trainwright.stages.run import run_json

    with Resumption(folder, changes=changes, data_root=data_root, strict=strict, ranks=ranks) as resumption:
        if resumption.ended:
            ended = resumption.run
            assert ended is not None
            assert ended.outcome is not None
            more = "" if ended.outcome.status == "diverged" else "; for more of it: --set train.epochs=N"
            say(console, f"{folder}: the run has ended ({ended.outcome.status}), there is nothing to go on with{more}")
            document.update(run_json(ended.outcome, ended.findings, ended.digest, folder))
            document["status"] = 0
            return
        with ranks.together():
            check_divides(resumption.recipe, ranks.world)
            setup = resumption.setup()
        with Progress(console, setup.info) as progress, told_of_users_code(folder):
            finished = resumption.carry_out([progress], setup=setup)
    answer(console, document, finished)
    finish_too(console, document, setup.recipe, finished, data_root)
