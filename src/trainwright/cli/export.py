"""The command `export`: a run's best network with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from trainwright.cli.answer import say


def run(
    console: Console, document: dict[str, Any], folder: Path, *, form: str, output: Path | None, overwrite: bool
) -> None:
    """Export the run in `folder`, and print what was written; fill `document`."""
    from trainwright.stages.export import export

    made = export(folder, form, output, overwrite=overwrite)
    for name, facts in made.card["files"].items():
        say(console, f"{name}: {facts['bytes']:,} bytes")
    if made.card["check"]:
        say(console, f"compared with the network: {made.card['check']['text']}")
    for limit in made.card["limits"]:
        say(console, f"note: {limit}")
    say(console, f"exported to {made.folder}; predict with: trainwright predict {made.folder} DATA")
    document.update(folder=str(made.folder), card=made.card)
