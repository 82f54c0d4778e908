"""Commands that work with trained networks: predict, export, import, finish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainwright.cli.answer import JsonFile, answering
from trainwright.cli.completion import run_folders
from trainwright.cli.options import (
    Changes,
    DataRoot,
    Overwrite,
    RunFolder,
)

app = typer.Typer()


@app.command(rich_help_panel="Work")
def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            autocompletion=run_folders,
            help="The folder of a run, of a finished model, or of an export.",
        ),
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="New data of the kind that the run was trained on.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write all of them, as .csv or .parquet; - is standard output."),
    ] = None,
    overwrite: Overwrite = False,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="COLUMN", help="Write this column of the data, too.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Let a model of texts go on with this.")
    ] = None,
    length: Annotated[int, typer.Option("--length", metavar="N", min=0, help="Characters to go on with.")] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help="0 takes the likeliest character.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the characters that are drawn.")] = 0,
    json: JsonFile = None,
) -> None:
    """Predict new data with a trained network: probabilities by class, values in their units, a text that goes on."""
    from trainwright.cli import predict as command

    with answering(json, words_aside=output is not None and str(output) == "-") as (console, document):
        command.check_asked(data, prompt, output, json)
        if prompt is not None:
            command.go_on(console, document, model, prompt, length=length, temperature=temperature, seed=seed)
        elif data is not None:
            command.run(console, document, model, data, output=output, overwrite=overwrite, keep=keep or [])


@app.command(rich_help_panel="Work")
def export(
    folder: RunFolder,
    form: Annotated[str, typer.Option("--to", metavar="safetensors|onnx|torch", help="The form.")] = "safetensors",
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="The folder to make; else FOLDER-FORM.")
    ] = None,
    overwrite: Overwrite = False,
    json: JsonFile = None,
) -> None:
    """Export a run's best network with its card: data, recipe, metrics, findings, limits; checked against the run."""
    with answering(json) as (console, document):
        from trainwright.cli import export as command

        command.run(console, document, folder, form=form, output=output, overwrite=overwrite)


@app.command("import", rich_help_panel="Work")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of torch: .pt, .pth, .bin, .ckpt.")],
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Read its tensors alone, in a process of its own with limits.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The .safetensors file to write; else by its name.")
    ] = None,
    overwrite: Overwrite = False,
    json: JsonFile = None,
) -> None:
    """Import weights that somebody else saved, as safetensors: nothing in the file is run."""
    with answering(json) as (console, document):
        from trainwright.cli import import_weights as command

        command.run(console, document, file, output=output, untrusted=untrusted, overwrite=overwrite)


@app.command(rich_help_panel="Work")
def finish(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS...",
            autocompletion=run_folders,
            help="The folders of trained runs, or of a study.",
        ),
    ],
    changes: Changes = None,
    members: Annotated[
        int | None,
        typer.Option("--members", metavar="N", min=1, max=1000, help="Train further seeds, up to so many in all."),
    ] = None,
    snapshots: Annotated[
        int | None,
        typer.Option("--snapshots", metavar="CYCLES", min=1, max=1000, help="One training of so many cycles."),
    ] = None,
    soup: Annotated[
        bool, typer.Option("--soup", help="Average weights too; further members begin with the first run's.")
    ] = False,
    distil: Annotated[bool, typer.Option("--distil", help="Teach one network what all members answer.")] = False,
    combine: Annotated[
        str | None, typer.Option("--combine", metavar="WHAT", help="Average probabilities, or logits.")
    ] = None,
    costs: Annotated[
        tuple[float, float] | None,
        typer.Option("--costs", metavar="ALARM MISS", help="What mistakes cost, for a threshold between two classes."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Where to keep the result; else finished/RUN-001, ..."),
    ] = None,
    data_root: DataRoot = None,
    json: JsonFile = None,
) -> None:
    """Make one final model of trained runs: what gains is kept, what lost is said, with the cost of each."""
    from trainwright.cli import finish as command

    asked = {"members": members, "snapshots": snapshots, "distil": distil or None, "combine": combine}
    asked |= {"soup": soup or None, "shared_start": soup or None}
    with answering(json) as (console, document):
        command.run(
            console,
            document,
            folders,
            folder=folder,
            changes=changes or [],
            asked=asked,
            costs=costs,
            data_root=data_root,
        )
