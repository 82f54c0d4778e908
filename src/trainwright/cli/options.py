"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier call has written.")]
