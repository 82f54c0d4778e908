"""What is said below a usage error of the parser's: how the command is used, or where the setting belongs."""

from __future__ import annotations

from typing import Any

from trainwright.cli.examples import EXAMPLES


def hint(problem: Any) -> str:
    """Return one line that says what to type instead, "" where nobody knows."""
    context = getattr(problem, "ctx", None)
    option = getattr(problem, "option_name", None)
    if isinstance(option, str):
        setting = _setting(option.lstrip("-").replace("-", "_"))
        takes = context is not None and any(parameter.name == "changes" for parameter in context.command.params)
        return f"{setting} is a setting of the recipe: --set {setting}=VALUE" if setting and takes else ""
    if context is not None and type(problem).__name__ == "MissingParameter":
        words = context.command_path.split()[1:]
        examples = EXAMPLES.get(" ".join(words), ())
        return f"for example: {examples[0]}" if examples else ""
    return ""


def _setting(name: str) -> str:
    """Return the full name of a setting that is known by its own: "train.epochs" for "epochs"."""
    from trainwright.errors import TrainwrightError
    from trainwright.stages.given import changes_of  # with torch: after a mistake there is time for it

    try:
        return next(iter(changes_of({name: None})))
    except TrainwrightError:
        return ""
