"""The command line: one verb a function, thin. Nothing here imports torch before a verb needs it."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from trainwright import __version__
from trainwright.cli.answer import EXIT_INTERRUPTED, JsonFile, answering, say
from trainwright.errors import EXIT_USAGE, TrainwrightError, UsageError

app = typer.Typer(
    name="trainwright",
    help="Train PyTorch networks, and be told what is wrong with the training, the way a good compiler tells.",
    epilog="Exit status: 0 done and healthy; 1 it could not be done; 2 wrong usage or a malformed recipe; "
    "3 done, and at least one finding is an error.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs_app = typer.Typer(no_args_is_help=False, help="List the runs of a folder, or show one of them.")
app.add_typer(runs_app, name="runs", rich_help_panel="Look")

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe (TOML); `trainwright new` writes one.")]
Target = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|MODULE:FACTORY", help="A recipe, or your own function that makes model, loss, data."
    ),
]
DataRoot = Annotated[
    str | None, typer.Option("--data-root", metavar="DIR", help="Where data files lie; else $TRAINWRIGHT_DATA.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Put a setting over the recipe's; may be repeated."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="COLUMN", help="The column to predict; several, where it is given again."),
]
ImageSize = Annotated[
    int, typer.Option("--image-size", metavar="PIXELS", min=0, help="Bring the images of a folder to this side.")
]
SarifFile = Annotated[
    Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF, for code scanning.")
]
Github = Annotated[
    bool, typer.Option("--github", help="Print the findings as annotations of GitHub Actions, on standard error.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a run.")]

_OWN_PROCESS = "the process is the command's own"
"""What a command's context holds where the command line was not called as a function."""


def one_or_all(targets: list[str] | None) -> str | list[str] | None:
    """Return a single target by itself, several as a list, none as None."""
    return targets[0] if targets and len(targets) == 1 else targets or None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"trainwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel="Start")
def demo(
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where to keep the runs; else runs/demo-001, ...")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Train digits well, then with a planted mistake; see it diagnosed, mended and proved better. About a minute."""
    from trainwright.cli import demo as command

    with answering(json) as (console, document):
        command.run(console, document, folder)


@app.command(rich_help_panel="Start")
def new(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV file, an IDX folder or file, or a built-in set.")],
    target: Targets = None,
    image_size: ImageSize = 0,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the recipe.")] = Path(
        "recipe.toml"
    ),
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Look at the data, name task, target and classes, and write a commented recipe for them."""
    with answering(json) as (console, document):
        from trainwright.stages.new import write_recipe

        summary = write_recipe(data, output, target=one_or_all(target), data_root=data_root, image_size=image_size)
        say(console, summary.text)
        document.update(summary.document)


@app.command(rich_help_panel="Start")
def choose(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `new` takes: a file, a folder, or a built-in set.")],
    target: Targets = None,
    image_size: ImageSize = 0,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A network that is settled.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the choices as a recipe.")
    ] = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Recommend loss, network, optimizer, schedule, initialisation and normalisation, each with its reason."""
    with answering(json) as (console, document):
        from trainwright.stages.new import recommend

        advised = recommend(
            data, target=one_or_all(target), model=model, output=output, data_root=data_root, image_size=image_size
        )
        say(console, advised.text)
        document.update(advised.document)


@app.command(
    rich_help_panel="Start",
    context_settings={"allow_extra_args": True, "allow_interspersed_args": False},
)
def run(
    context: typer.Context,
    script: Annotated[
        str | None,
        typer.Argument(
            metavar="SCRIPT [ARGUMENTS]...", help="A Python program, and its own arguments.", show_default=False
        ),
    ] = None,
    as_module: Annotated[
        bool, typer.Option("-m", "--module", help="SCRIPT is the name of a module, as for python -m.")
    ] = False,
    level: Annotated[str, typer.Option("--level", metavar="light|full", help="How often to look.")] = "light",
    strict: Annotated[bool, typer.Option("--strict", help="Leave with status 3 where an error was found.")] = False,
    stop_on: Annotated[
        str | None,
        typer.Option(
            "--stop-on", metavar="error|warning", help="End the program at the first such finding, with status 3."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODE", help="Leave out a code or kind; may be repeated.")
    ] = None,
    sarif: SarifFile = None,
    github: Github = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing of the doctor's.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Offer to mend the program's source; say whether it helped.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --fix: write without asking.")] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", min=10, help="With --fix: run so many steps before and after; else 200 or more."
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the report as JSON. - is standard output, where it is the last line; "
            "a FILE keeps it apart from what the program prints.",
        ),
    ] = None,
) -> None:
    """Run any PyTorch program, unedited, under the doctor.

    The program runs as under python: same output, numbers, and exit status.
    The doctor speaks on standard error: each finding once, and a summary.

    Its options stand before the program. What follows is the program's own:

      trainwright run train.py --epochs 3

      trainwright run -m mypackage.train --epochs 3

      trainwright run --strict --sarif doctor.sarif train.py

      trainwright run --stop-on error --json report.json train.py

      trainwright run --json - train.py | tail -n 1 | jq .findings

      trainwright run --fix train.py

    A comment at the end of a line does for that line what --ignore does for all:

      loss.backward()  # trainwright: ignore[TW103]
    """
    from trainwright.cli import run as command

    status = command.run(
        script,
        context.args,
        as_module=as_module,
        level=level,
        strict=strict,
        stop_on=stop_on,
        ignore=ignore or [],
        json_file=json,
        sarif_file=sarif,
        github=github,
        quiet=quiet,
        replace=context.find_root().obj is _OWN_PROCESS,
        fix=fix,
        yes=yes,
        steps=steps,
    )
    raise typer.Exit(status)


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
    sarif: SarifFile = None,
    github: Github = False,
    json: JsonFile = None,
) -> None:
    """Train what a recipe describes, with the doctor watching."""
    from trainwright.cli import train as command
    from trainwright.cli.findings_file import leave_findings

    with answering(json) as (console, document):
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
def verify(
    target: Target,
    changes: Changes = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECK", help="Run this check; may be repeated, or a,b,c.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="CHECK", help="Leave this check out; may be repeated.")
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

    with answering(json) as (console, document):
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

    with answering(json) as (console, document):
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
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes that share the work.")] = 1,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Where to keep the study, or go on; else studies/NAME-001, ..."),
    ] = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Search the space of [tune] from coarse to fine, many trials as one program; then the final run of the best."""
    from trainwright.cli import tune as command

    asked = {"trials": trials, "rounds": rounds, "sampler": sampler, "prune": prune, "final": final, "seconds": seconds}
    with answering(json) as (console, document):
        command.run(
            console,
            document,
            recipe,
            changes=changes or [],
            asked=asked,
            folder=folder,
            workers=command.checked_workers(workers),
            data_root=data_root,
        )


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
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code (TW301), a kind (dead-relu), or `all`.")],
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


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command line and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the reader's encoding lacks is shown escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        given = list(arguments) if arguments is not None else None
        owner = _OWN_PROCESS if arguments is None else None
        status = app(args=given, prog_name="trainwright", standalone_mode=False, obj=owner)
        sys.exit(status if isinstance(status, int) else 0)
    except TrainwrightError as problem:
        from trainwright.report.safe import visible

        sys.stderr.write(visible(f"error: {problem}\n", keep="\n"))
        sys.exit(problem.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe left: `trainwright report ... | head`
        sys.stderr.close()
        sys.exit(0)
    except Exception as problem:
        # The parser's own usage error. Typer moved its class from click to itself: it is told by what it can do.
        if not hasattr(problem, "show") or not hasattr(problem, "exit_code"):
            raise
        problem.show()  # type: ignore[attr-defined]
        sys.exit(EXIT_USAGE)
