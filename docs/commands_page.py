"""The page of the command line, from the declarations of the commands: what each does, its arguments and options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer.main

from trainwright.cli.main import app

_HEAD = """# The command line

Every command says this of itself with `--help`; `trainwright --help` lists them. `--json FILE` writes what a command
found as JSON, `-` for standard output.

"""
_STATUS = """
## Exit status

| status | what it says |
|---|---|
| 0 | done, and healthy |
| 1 | it could not be done; the message says what, on what evidence, and what to do. There is no traceback |
| 2 | wrong usage, or a malformed recipe |
| 3 | done, and at least one finding is an error; `run` gives the program's own status unless `--strict` is given |
| 124 | `--max-time` was up; the state of the training is kept, and `resume` goes on |
| 130, 143 | Ctrl-C, SIGTERM; likewise |
"""


def page() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    told = list(_commands(root, ("trainwright",)))
    rows = "\n".join(f"| [`{name}`](#{_anchor(name)}) | {_first(command)} |" for name, command in told)
    table = f"| command | what it does |\n|---|---|\n{rows}\n"
    return _HEAD + table + _STATUS + "\n" + "\n".join(_told(name, command) for name, command in told)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by its full name; a group that does something by itself first."""
    inner = getattr(command, "commands", None)
    if inner is None or (len(path) > 1 and getattr(command, "invoke_without_command", False)):
        yield " ".join(path), command
    for name, child in (inner or {}).items():
        yield from _commands(child, (*path, name))


def _told(name: str, command: Any) -> str:
    parameters = [each for each in command.params if each.name != "help" and not getattr(each, "hidden", False)]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    options = [each for each in parameters if each.param_type_name == "option"]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *map(_placed, arguments)])
    parts = [f"## {name}", f"    {usage}", _description(command)]
    if arguments:
        parts.append(_table("argument", [(_code(each.metavar or each.name), _help(each)) for each in arguments]))
    if options:
        parts.append(_table("option", [(_code(_option(each)), _help(each)) for each in options]))
    return "\n\n".join(parts) + "\n"


def _placed(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    return word if argument.required else f"[{word}]"


def _option(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    takes = "" if option.is_flag or option.count else f" {option.metavar or option.name.upper()}"
    return names + takes


def _help(parameter: Any) -> str:
    text = " ".join((getattr(parameter, "help", None) or "").split())
    default = parameter.default
    if callable(default) or default in (None, False, True, (), [], "") or parameter.required:
        return text
    return f"{text} Default: `{default}`."


def _description(command: Any) -> str:
    """Return the help as paragraphs; lines that are shown by themselves are examples."""
    text = inspect.cleandoc(command.help or command.callback.__doc__ or "").replace("\b", "").replace("\f", "")
    parts = []
    for paragraph in re.split(r"\n\s*\n", text):
        code = paragraph.startswith("  ") or paragraph.lstrip().startswith("trainwright ")
        parts.append("    " + "\n    ".join(map(str.strip, paragraph.splitlines())) if code else paragraph)
    return "\n\n".join(parts)


def _first(command: Any) -> str:
    return _description(command).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {name} | {text.replace('|', chr(92) + '|')} |" for name, text in rows]
    return "\n".join([f"| {head} | |", "|---|---|", *lines])


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
