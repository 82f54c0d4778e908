"""What stands below each command's `--help`: an example or two that can be typed as they are, and exit statuses."""

from __future__ import annotations

from typing import Final

from typer import Typer

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "demo": ("trainwright demo",),
    "new": ("trainwright new digits", "trainwright new sales.csv --target price -o sales.toml"),
    "choose": ("trainwright choose sales.csv --target price", "trainwright choose photos/ --image-size 64"),
    "run": (
        "trainwright run train.py --epochs 5",
        "trainwright run --strict --json findings.json -m package.train",
    ),
    "train": (
        "trainwright train recipe.toml",
        "trainwright train recipe.toml --set optimizer.lr=0.01 --folder runs/faster",
        "trainwright train recipe.toml --devices 4",
    ),
    "resume": ("trainwright resume runs/recipe-001", "trainwright resume runs/recipe-001 --set train.epochs=40"),
    "verify": ("trainwright verify recipe.toml", "trainwright verify mine:setup --only gradients,samples-apart"),
    "gradcheck": ("trainwright gradcheck recipe.toml", "trainwright gradcheck mine:setup --sweep --plot sweep.html"),
    "find-lr": ("trainwright find-lr recipe.toml", "trainwright find-lr recipe.toml --repeats 5 --json rate.json"),
    "schedule": (
        "trainwright schedule recipe.toml",
        "trainwright schedule recipe.toml --set schedule.name=one_cycle",
    ),
    "summary": ("trainwright summary recipe.toml", "trainwright summary recipe.toml --measure"),
    "tune": (
        "trainwright tune recipe.toml --trials 60 --final 3",
        "trainwright tune recipe.toml --folder studies/first --workers 4",
    ),
    "predict": (
        "trainwright predict runs/recipe-001 new.csv --output predictions.csv",
        'trainwright predict runs/poems --prompt "The cat" --length 80',
    ),
    "import": (
        "trainwright import strangers.pt --untrusted",
        "trainwright import model.bin --untrusted --output body.safetensors",
    ),
    "export": ("trainwright export runs/recipe-001", "trainwright export runs/recipe-001 --to onnx --output model"),
    "finish": ("trainwright finish runs/a runs/b runs/c", "trainwright finish runs/recipe-001 --members 5 --distil"),
    "doctor": (
        "trainwright doctor lightning_logs/version_0/metrics.csv",
        "trainwright doctor log.csv --columns train_loss=loss,step=it",
    ),
    "report": ("trainwright report runs/recipe-001", "trainwright report runs/recipe-001 --html report.html"),
    "explain": ("trainwright explain TW301", "trainwright explain all"),
    "runs": ("trainwright runs", "trainwright runs show runs/recipe-001 --json -"),
    "runs list": ("trainwright runs list experiments",),
    "runs show": ("trainwright runs show runs/recipe-001",),
    "lab": ("trainwright lab", "trainwright lab --no-open --port 0 --runs experiments"),
    "lab list": ("trainwright lab list",),
    "lab run": ("trainwright lab run learning-rate", "trainwright lab run dropout --json dropout.json"),
    "lab rerun": ("trainwright lab rerun",),
}
"""By command; those of a group's commands by both words."""

_DONE, _FAILED = "0 done and healthy", "1 it could not be done"
_FOUND = "3 done, and a finding is an error"
_ENDED = "130, 143, 124 stopped by Ctrl-C, SIGTERM, --max-time, resumable"
STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "run": ("the program's own", "3 with --strict or --stop-on, where something was found"),
    "train": (_DONE, _FAILED, _FOUND, _ENDED),
    "resume": (_DONE, _FAILED, _FOUND, _ENDED),
    "verify": ("0 ready to train", _FAILED, "3 not ready"),
    "gradcheck": ("0 the gradient is sound", _FAILED, "3 it is wrong"),
    "find-lr": ("0 a rate was found", "1 no answer, or it could not be done"),
    "tune": (_DONE, _FAILED, _FOUND, _ENDED),
    "doctor": (_DONE, _FAILED, "3 a finding is an error, with --strict also a warning"),
    "report": (_DONE, _FAILED, _FOUND),
    "runs show": (_DONE, _FAILED, _FOUND),
}
"""What a command leaves with, where that matters; 2 is wrong usage everywhere."""


def epilog(command: str) -> str:
    """Return what stands below the help of a command."""
    examples = EXAMPLES[command]
    lines = ["Example:" if len(examples) == 1 else "Examples:", *(f"$ {line}" for line in examples)]
    if command in STATUSES:
        lines.append(f"Exit status: {'; '.join(STATUSES[command])}.")
    return "\n\n".join(lines)  # a blank line keeps lines apart in what typer prints


def show_examples(app: Typer, group: str = "") -> None:
    """Put the examples below the help of every command of `app`, and of its groups."""
    for command in app.registered_commands:
        own = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        command.epilog = epilog(f"{group} {own}".strip())
    for inner in app.registered_groups:
        if inner.typer_instance is not None and inner.name:
            inner.epilog = epilog(inner.name)
            show_examples(inner.typer_instance, inner.name)
