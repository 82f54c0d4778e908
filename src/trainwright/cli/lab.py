"""The commands `lab`, `lab list`, `lab run` and `lab rerun`: the page, and every simulation without it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.cli.answer import say
from trainwright.errors import EXIT_FAILED
from trainwright.report.numbers import scalar

if TYPE_CHECKING:
    from rich.console import Console

    from trainwright.lab.schema import Table

_MOST_ROWS = 20


def serve_page(folders: Sequence[Path], *, host: str, port: int | None, token: str, open_page: bool) -> None:
    """Serve the page until it is interrupted; the first line on standard output is its whole address."""
    from trainwright.lab.keep import cache_folder
    from trainwright.lab.serve import Wishes, serve
    from trainwright.report.safe import visible

    def tell(address: str) -> None:
        sys.stdout.write(f"{visible(address)}\n")
        sys.stdout.flush()
        sys.stderr.write("the lab is open until Ctrl-C\n")

    wishes = Wishes(
        folders=tuple(folders), host=host, port=port, token=token, open_page=open_page, cache=cache_folder()
    )
    serve(wishes, tell)


def list_all(console: Console, document: dict[str, Any]) -> None:
    """Print the name and title of every simulation; fill `document` with all that a page would need to show it."""
    from trainwright.lab.registry import CATALOGUE

    widest = max(map(len, CATALOGUE))
    for simulation in CATALOGUE.values():
        say(console, f"{simulation.name:<{widest}}  {simulation.title}")
    document["simulations"] = [simulation.describe() for simulation in CATALOGUE.values()]


def run(console: Console, document: dict[str, Any], name: str, settings: Sequence[str]) -> None:
    """Run one simulation and print its verdict and its numbers; fill `document` with the whole result."""
    from trainwright.lab.registry import find
    from trainwright.lab.values import parse_settings, resolve, to_state
    from trainwright.records import to_plain

    simulation = find(name)
    values = resolve(simulation, parse_settings(settings))
    with console.status(f"simulating {simulation.title.lower()}", spinner="dots"):
        result = simulation.run(values)
    say(console, f"{simulation.title}: {result.verdict.sign}")
    say(console, result.verdict.text)
    for item in result.evidence:
        limit = "" if item.threshold is None else f" (threshold {scalar(item.threshold)})"
        say(console, f"  {item.name}: {scalar(item.value)}{' ' + item.unit if item.unit else ''}{limit}")
    for step in result.steps:
        say(console, f"  {step.title}: " + "; ".join(filter(None, (step.text, step.formula, step.worked))))
        for link in step.links:
            changed = "".join(f" --set {key}={value}" for key, value in link.values.items())
            say(console, f"    {link.text}: trainwright lab run {link.simulation}{changed}")
    for table in result.tables:
        _say_table(console, table)
    document.update(
        simulation=simulation.name,
        values=to_plain(values, strict=True),
        state=to_state(simulation, values),
        result=to_plain(result, strict=True),
    )


def _say_table(console: Console, table: Table) -> None:
    say(console, table.title)
    for row in (table.columns, *table.rows[:_MOST_ROWS]):
        say(console, "  " + " | ".join("" if cell is None else scalar(cell) for cell in row))
    if len(table.rows) > _MOST_ROWS:
        say(console, f"  and {len(table.rows) - _MOST_ROWS} rows more: --json holds them")


def rerun(console: Console, document: dict[str, Any], names: Sequence[str], write: Path | None) -> None:
    """Train recorded runs again and hold them against their records, or record all of them anew in `write`."""
    from trainwright.lab import gallery
    from trainwright.parts.catalogue import find

    for name in names:
        find(gallery.SCENARIOS, name, "recorded run")
    if write is not None:
        made = gallery.record(write)
        say(console, f"{len(made)} runs recorded in {write}")
        document["runs"] = [{"name": each.name, "checksum": each.checksum} for each in made]
        return
    found = []
    for name in names or gallery.SCENARIOS:
        agrees, text = gallery.check(name)
        say(console, f"{'✓' if agrees else '✗'} {name}: {text}")
        found.append({"name": name, "agrees": agrees, "text": text})
    document["runs"] = found
    if not all(each["agrees"] for each in found):
        document["status"] = EXIT_FAILED
