"""The command `finish`: the table of what gained and what lost, and where the final model is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.train import parse_change
from trainwright.errors import UsageError

if TYPE_CHECKING:
    from trainwright.ensembles.ensemble import Ensemble

_WIDEST = 140


def run(
    console: Console,
    document: dict[str, Any],
    folders: Sequence[Path],
    *,
    folder: Path | None,
    changes: Sequence[str],
    asked: Mapping[str, Any],
    costs: tuple[float, float] | None,
    data_root: str | None,
) -> None:
    """Finish the runs in `folders`; `asked` are keys of `[finish]` from the command line. Fills `document`."""
    parsed = dict(parse_change(change) for change in changes)
    parsed |= {f"finish.{name}": value for name, value in asked.items() if value is not None}
    for name in parsed:
        if not name.startswith("finish."):
            raise UsageError(
                f"--set {name} would change a run that has ended",
                remedy="finish takes keys of [finish], such as finish.members=5",
            )
    from trainwright.runs.writer import next_folder
    from trainwright.stages.finish import finish_folders

    target = folder if folder is not None else next_folder(Path("finished"), folders[0].resolve().name)
    ensemble = finish_folders(
        folders, parsed, folder=target, costs=costs, data_root=data_root, say=lambda text: say(console, text)
    )
    show(console, document, ensemble)


def after_run(console: Console, document: dict[str, Any], folder: Path, data_root: str | None) -> None:
    """Do what `[finish]` of a run's recipe asks for, and put it into the document as `finish`."""
    from trainwright.runs.layout import FINISHED
    from trainwright.stages.finish import finish_folders

    say(console, "")
    ensemble = finish_folders(
        [folder], folder=folder / FINISHED, data_root=data_root, say=lambda text: say(console, text)
    )
    own: dict[str, Any] = {}
    show(console, own, ensemble)
    document["finish"] = own


def show(console: Console, document: dict[str, Any], ensemble: Ensemble) -> None:
    """Print the report of a finished model, and fill `document`."""
    from trainwright.stages.finish_report import PAGE

    text = ensemble.report(color=console.color_system is not None, width=min(console.width, _WIDEST))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    document.update(ensemble.to_json())
    if ensemble.folder is not None:
        say(console, f"kept in {ensemble.folder}; open {ensemble.folder / PAGE}")
