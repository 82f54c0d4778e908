"""Commands that begin something: a first look, a recipe, a choice, a program under the doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainwright.cli.answer import OWN_PROCESS, JsonFile, answering, say
from trainwright.cli.completion import codes, data_sets, networks
from trainwright.cli.options import DataRoot, Github, ImageSize, SarifFile, Targets

app = typer.Typer()


def one_or_all(targets: list[str] | None) -> str | list[str] | None:
    """Return a single target by itself, several as a list, none as None."""
    return targets[0] if targets and len(targets) == 1 else targets or None


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
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            autocompletion=data_sets,
            help="A CSV file, an IDX folder or file, or a built-in set.",
        ),
    ],
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
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            autocompletion=data_sets,
            help="What `new` takes: a file, a folder, or a built-in set.",
        ),
    ],
    target: Targets = None,
    image_size: ImageSize = 0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            autocompletion=networks,
            help="A network that is settled.",
        ),
    ] = None,
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
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="CODE",
            autocompletion=codes,
            help="Leave out a code or kind; may be repeated.",
        ),
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
        replace=context.find_root().obj is OWN_PROCESS,
        fix=fix,
        yes=yes,
        steps=steps,
    )
    raise typer.Exit(status)
