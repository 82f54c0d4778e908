"""Commands that work on a training: train, verify, tune, and what belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainwright.cli.answer import JsonFile, answering
from trainwright.cli.completion import checks
from trainwright.cli.options import (
    Changes,
    DataRoot,
    Devices,
    Github,
    MaxTime,
    RecipeFile,
    RunFolder,
    SarifFile,
    Target,
    stoppable,
)

app = typer.Typer()


@app.command(rich_help_panel="Work")
def train(
    recipe: RecipeFile,
    changes: Changes = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where to keep the run; else runs/RECIPE-001, ...")
    ] = None,
    data_root: DataRoot = None,
    explain_groups: Annotated[
        bool, typer.Option("--explain-groups", help="Print which parameters decay and at what rate, then train.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time the phases of the step, and print where time and memory went.")
    ] = False,
    devices: Devices = None,
    max_time: MaxTime = None,
    sarif: SarifFile = None,
    github: Github = False,
    json: JsonFile = None,
) -> None:
    """Train what a recipe describes, with the doctor watching. Ctrl-C and SIGTERM keep the state for `resume`."""
    from trainwright.cli import train as command
    from trainwright.cli.devices import launched
    from trainwright.cli.findings_file import leave_findings

    if devices is not None and devices != 1 and not launched():
        told = {"--data-root": data_root, "--explain-groups": explain_groups, "--profile": profile}
        told |= {"--max-time": max_time, "--sarif": sarif, "--github": github, "--json": json}
        raise typer.Exit(command.on_devices(recipe, changes or [], folder, devices, told))
    with answering(json) as (console, document), stoppable(max_time):
        command.run(
            console,
            document,
            recipe,
            changes=changes or [],
            folder=folder,
            data_root=data_root,
            explain_groups=explain_groups,
            profile=profile,
        )
        leave_findings(document, sarif, github=github)


@app.command(rich_help_panel="Work")
def resume(
    folder: RunFolder,
    changes: Changes = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse where a checkpoint is damaged, in place of using the one before.")
    ] = False,
    devices: Devices = None,
    max_time: MaxTime = None,
    data_root: DataRoot = None,
    sarif: SarifFile = None,
    github: Github = False,
    json: JsonFile = None,
) -> None:
    """Go on with a run that was broken off, as if it never had been. More epochs: --set train.epochs=N."""
    from trainwright.cli import resume as command
    from trainwright.cli.devices import launched
    from trainwright.cli.findings_file import leave_findings

    if devices is not None and devices != 1 and not launched():
        told = {"--strict": strict, "--data-root": data_root, "--max-time": max_time}
        told |= {"--sarif": sarif, "--github": github, "--json": json}
        raise typer.Exit(command.on_devices(folder, changes or [], devices, told))
    with answering(json) as (console, document), stoppable(max_time):
        command.run(console, document, folder, changes=changes or [], data_root=data_root, strict=strict)
        leave_findings(document, sarif, github=github)


@app.command(rich_help_panel="Work")
def verify(
    target: Target,
    changes: Changes = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="CHECK",
            autocompletion=checks,
            help="Run this check; may be repeated, or a,b,c.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="CHECK",
            autocompletion=checks,
            help="Leave this check out; may be repeated.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Run what `train` runs by itself, a few seconds.")] = False,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="SECONDS", min=0, help="Begin no further check after so long.")
    ] = None,
    data_root: DataRoot = None,
    sarif: SarifFile = None,
    github: Github = False,
    json: JsonFile = None,
) -> None:
    """Check a training before it starts: gradients, wiring, loss, data, settings. Exit status 3: not ready."""
    from trainwright.cli import verify as command
    from trainwright.cli.findings_file import leave_findings

    with answering(json) as (console, document), stoppable():
        command.run(
            console,
            document,
            target,
            changes=changes or [],
            only=only or [],
            skip=skip or [],
            quick=quick,
            budget_seconds=budget,
            data_root=data_root,
        )
        leave_findings(document, sarif, github=github)


@app.command(rich_help_panel="Work")
def gradcheck(
    target: Target,
    changes: Changes = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Show the error over step widths from 0.1 to 1e-12.")] = False,
    h: Annotated[float, typer.Option("--h", metavar="WIDTH", help="Half the distance of the differences.")] = 1e-5,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", metavar="NAME", help="Check this parameter; may be repeated.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the sweep as .html or .svg.")
    ] = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Compare the gradient of every parameter with centred differences, in float64. Exit status 3: it is wrong."""
    from trainwright.cli import gradcheck as command
    from trainwright.cli.train import parse_change

    with answering(json) as (console, document):
        parsed = dict(parse_change(change) for change in changes or [])
        from trainwright.stages.targets import subject_named

        subject = subject_named(target, parsed, data_root)
        command.run(console, document, subject, sweep=sweep, h=h, parameters=parameter or [], plot=plot)


@app.command("find-lr", rich_help_panel="Work")
def find_lr(
    target: Target,
    changes: Changes = None,
    method: Annotated[
        str, typer.Option("--method", metavar="array|sweep", help="Many rates side by side, or one that rises.")
    ] = "array",
    repeats: Annotated[
        int | None, typer.Option("--repeats", metavar="N", min=1, help="Other weights and orders, for the interval.")
    ] = None,
    trial_steps: Annotated[
        int | None,
        typer.Option("--trial-steps", metavar="N", min=2, help="Updates at each rate; else by the planned run."),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the loss over the rate.")] = True,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Find the learning rate: many rates as one program, an interval from repeats. Exit status 1: no answer."""
    from trainwright.cli import find_lr as command

    with answering(json) as (console, document), stoppable():
        command.run(
            console,
            document,
            target,
            changes=changes or [],
            method=method,
            repeats=repeats,
            trial_steps=trial_steps,
            plot=plot,
            data_root=data_root,
        )


@app.command(rich_help_panel="Work")
def schedule(
    recipe: RecipeFile,
    changes: Changes = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Show the learning rate over the whole run, before it: a plot and a table."""
    from trainwright.cli import look

    with answering(json) as (console, document):
        look.schedule(console, document, recipe, changes or [], data_root)


@app.command(rich_help_panel="Work")
def summary(
    recipe: RecipeFile,
    changes: Changes = None,
    data_root: DataRoot = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Make two real steps on a copy, and compare their memory to the forecast.")
    ] = False,
    json: JsonFile = None,
) -> None:
    """Show the network layer by layer, its parameters, what is frozen, and the memory that training will take."""
    from trainwright.cli import look

    with answering(json) as (console, document):
        look.summary(console, document, recipe, changes or [], data_root, measure=measure)


@app.command(rich_help_panel="Work")
def tune(
    recipe: RecipeFile,
    changes: Changes = None,
    trials: Annotated[int | None, typer.Option("--trials", metavar="N", help="Configurations to try.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", metavar="N", help="Rounds from coarse to fine.")] = None,
    sampler: Annotated[
        str | None, typer.Option("--sampler", metavar="NAME", help="grid, random, sobol or tpe.")
    ] = None,
    prune: Annotated[
        bool | None, typer.Option("--prune/--no-prune", help="Stop what is behind at a ninth and a third of the run.")
    ] = None,
    final: Annotated[
        int | None, typer.Option("--final", metavar="N", help="Fresh seeds for the best at the end; 0 for none.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="N", help="Stop after so long; run it again to go on.")
    ] = None,
    max_time: MaxTime = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Processes that share the work; on Ray all there are.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="NAME", help="Where they run: local, or ray for a cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="ADDRESS", help="A Ray cluster: auto or HOST:PORT; else one is started."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="A database for the study's decisions: sqlite:///studies.db, ..."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Where to keep the study, or go on; else studies/NAME-001, ..."),
    ] = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Search a recipe's space from coarse to fine, many trials as one program; then the final run of the best."""
    from trainwright.cli import tune as command

    asked = {"trials": trials, "rounds": rounds, "sampler": sampler, "prune": prune, "final": final, "seconds": seconds}
    with answering(json) as (console, document), stoppable(max_time):
        command.run(
            console,
            document,
            recipe,
            changes=changes or [],
            asked=asked,
            folder=folder,
            place=command.checked_place(workers, engine, address, store, folder),
            data_root=data_root,
        )
