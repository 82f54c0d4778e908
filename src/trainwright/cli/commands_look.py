"""Commands that look at what was done: reports, runs, logs, explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainwright.cli.answer import JsonFile, answering, say
from trainwright.cli.completion import codes, simulations
from trainwright.cli.options import RunFolder
from trainwright.errors import UsageError

app = typer.Typer()
runs_app = typer.Typer(no_args_is_help=False, help="List the runs of a folder, or show one of them.")
app.add_typer(runs_app, name="runs", rich_help_panel="Look")
lab_app = typer.Typer(no_args_is_help=False, help="Open the lab; or list its simulations, or run one of them.")
app.add_typer(lab_app, name="lab", rich_help_panel="Look")


@app.command(rich_help_panel="Look")
def doctor(
    log: Annotated[
        Path,
        typer.Argument(metavar="FOLDER|LOG", help="A log: CSV, TensorBoard, W&B, JSON lines; or a folder of logs."),
    ],
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="ROLE=COLUMN,...", help="Say which column is what: train_loss=loss,step=it."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit status 3 for a warning too.")] = False,
    json: JsonFile = None,
) -> None:
    """Diagnose a training from the curves that another program logged, and say what they cannot tell."""
    with answering(json) as (console, document):
        from trainwright.cli import doctor as command

        command.run(console, document, log, columns=columns or [], strict=strict)


@app.command(rich_help_panel="Look")
def report(
    folder: RunFolder,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Where to write the page; else report.html in FOLDER.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Print a run's report, and write it as one HTML page that opens from disk without a network."""
    with answering(json) as (console, document):
        from trainwright.stages.report import report_run

        written = report_run(folder, html, color=console.color_system is not None, width=min(console.width, 120))
        console.print(written.text, markup=False, highlight=False, soft_wrap=True)
        document.update(written.document)


@app.command(rich_help_panel="Look")
def explain(
    code: Annotated[
        str,
        typer.Argument(
            metavar="CODE",
            autocompletion=codes,
            help="A code (TW301), a kind (dead-relu), or `all`.",
        ),
    ],
    json: JsonFile = None,
) -> None:
    """Explain a diagnosis: what it is, why it hurts, how to fix it, and when the doctor is wrong."""
    with answering(json) as (console, document):
        from trainwright.doctor.kinds import CATALOGUE, find_kind
        from trainwright.doctor.kinds import explain as page

        if code.lower() == "all":
            for kind in CATALOGUE.values():
                say(console, f"{kind.code}  {kind.severity:<8} {kind.kind}")
            document["kinds"] = [{"code": kind.code, "kind": kind.kind} for kind in CATALOGUE.values()]
        else:
            say(console, page(code))
            kind = find_kind(code)
            document.update(code=kind.code, kind=kind.kind, severity=kind.severity, text=page(code))


@runs_app.callback(invoke_without_command=True)
def runs(context: typer.Context, json: JsonFile = None) -> None:
    """List the runs of a folder, or show one of them."""
    if context.invoked_subcommand is None:
        list_runs(Path("runs"), json)
    elif json is not None:
        raise UsageError("--json stands before the command", remedy=f"put it after: runs {context.invoked_subcommand}")


@runs_app.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that holds the runs.")] = Path("runs"),
    json: JsonFile = None,
) -> None:
    """List the runs in a folder: outcome, findings, best metric."""
    from trainwright.cli import runs as command

    with answering(json) as (console, document):
        command.list_all(console, document, folder)


@runs_app.command("show")
def show(folder: RunFolder, json: JsonFile = None) -> None:
    """Show one run: outcome, findings, best metrics, and the digest of its final weights."""
    from trainwright.cli import runs as command

    with answering(json) as (console, document):
        command.show(console, document, folder)


@lab_app.callback(invoke_without_command=True)
def lab(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--runs", metavar="DIR", help="A folder of runs; else runs, studies and this one. May be repeated."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="The address to listen at; others need --token.")] = "127.0.0.1",
    token: Annotated[str, typer.Option("--token", help="A token of your own, of 16 characters at least.")] = "",
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Open the lab: a page on this machine with every simulation, and live runs with the diagnosis on the curve.

    Prints the page's full address first, its token included, and serves it until Ctrl-C. The page only reads.
    """
    if context.invoked_subcommand is None:
        from trainwright.cli import lab as command

        command.serve_page(folders or [], host=host, port=port, token=token, open_page=open_page)


@lab_app.command("list")
def list_simulations(json: JsonFile = None) -> None:
    """List the simulations: name and title; with --json their parameters, presets and claims too."""
    from trainwright.cli import lab as command

    with answering(json) as (console, document):
        command.list_all(console, document)


@lab_app.command("rerun")
def rerun(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Recorded runs of the loss-curves gallery; else all."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write new records of all runs instead of checking.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Train the gallery's recorded runs again, and say whether they give the recorded curves, and if not, why."""
    from trainwright.cli import lab as command

    with answering(json) as (console, document):
        command.rerun(console, document, names or [], write)


@lab_app.command("run")
def run_simulation(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=simulations,
            help="A simulation; `lab list` names them.",
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter another value; may be repeated."),
    ] = None,
    json: JsonFile = None,
) -> None:
    """Run one simulation: its verdict and its numbers; with --json every curve."""
    from trainwright.cli import lab as command

    with answering(json) as (console, document):
        command.run(console, document, name, settings or [])
