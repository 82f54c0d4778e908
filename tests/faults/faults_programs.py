"""The trainings that are killed: four recipes, and a program of its own that reads by two workers.

None reads a table file: the reader of those, polars, does not survive a fork.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.cli import progress  # noqa: F401
from trainwright.cli.main import main
from trainwright.stages.recipe import Recipe
from trainwright.stages.resume import resume
from trainwright.stages.train import train

MLP = """
[data]
source = "iris"
[model]
name = "mlp"
[optimizer]
name = "sgd"
[train]
epochs = 4
batch_size = 8
threads = 1
verify = "off"
checkpoint_every_steps = 9
"""

CNN = """
[data]
source = "digits"
validation = 0.6
test = 0.2
[model]
name = "cnn"
width = 4
dropout = 0.2
[optimizer]
name = "adamw"
[train]
epochs = 3
batch_size = 32
ema = 0.95
clip_norm = 0.5
threads = 1
verify = "off"
evaluate_every_steps = 7
checkpoint_every_steps = 5
"""

TEXT = """
[data]
source = "{folder}/words.txt"
context = 16
[model]
name = "transformer"
width = 16
heads = 2
[train]
epochs = 3
batch_size = 8
accumulate = 3
precision = "bf16"
threads = 1
verify = "off"
checkpoint_every_steps = 4
"""

TABLE = """
[data]
source = "diabetes"
validation = 0.5
[model]
name = "mlp"
[optimizer]
lr = 0.05
[schedule]
name = "plateau"
patience = 1
[train]
epochs = 12
batch_size = 16
patience = 6
evaluate_every_steps = 3
threads = 1
verify = "quick"
[doctor]
repair = "apply"
"""

LONG = MLP.replace("epochs = 4", "epochs = 100000").replace('verify = "off"', 'verify = "quick"')
"""A program that does not end by itself."""

PROGRAMS: Mapping[str, str] = {"mlp": MLP, "cnn": CNN, "text": TEXT, "table": TABLE, "loader": ""}


def warm_up() -> None:
    """Load everything that the programs need, by running each for a moment."""
    with TemporaryDirectory() as folder:
        for name in PROGRAMS:
            if name != "loader":
                recipe = Recipe.read(write_recipe(name, Path(folder)), {"train.epochs": 2})
                train(recipe, folder=Path(folder) / name)
                resume(Path(folder) / name)


def write_recipe(name: str, folder: Path) -> Path:
    """Write the recipe of a program, and the data that it reads; return the recipe's path."""
    words = " ".join(str(number * number % 977) for number in range(700))
    (folder / "words.txt").write_text(words)
    path = folder / f"{name}.toml"
    path.write_text({**PROGRAMS, "long": LONG}[name].replace("{folder}", str(folder)))
    return path


def begun(name: str, recipe: Path, run_folder: Path) -> list[str]:
    """Return the command line that begins a program."""
    if name == "loader":
        return ["loader", str(run_folder)]
    return ["train", str(recipe), "--folder", str(run_folder)]


def gone_on(name: str, recipe: Path, run_folder: Path) -> list[str]:
    """Return the command line that goes on with it; begins it where nothing is there yet."""
    if not (run_folder / "run.json").exists() and not (run_folder / "recipe.toml").exists():
        return begun(name, recipe, run_folder)
    return ["loader", str(run_folder), "resume"] if name == "loader" else ["resume", str(run_folder)]


def run(arguments: Sequence[str]) -> None:
    """Run a command line in this process, which it ends."""
    if arguments[0] != "loader":
        sys.argv = ["trainwright", *arguments]
        main()
    folder, resume = Path(arguments[1]), arguments[2:] == ["resume"]
    epochs = int(arguments[3]) if len(arguments) > 3 else 3
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(3))
    data = TensorDataset(x, x[:, :3].argmax(1))
    loader: DataLoader[Any] = DataLoader(data, batch_size=8, shuffle=True, num_workers=2)
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    fit: Callable[..., tw.Run] = tw.fit
    if resume:
        tw.resume(folder, model=model, train=loader)
    else:
        fit(model, loader, folder=folder, epochs=epochs, lr=0.01, verify="off", threads=1, checkpoint_every_steps=5)
