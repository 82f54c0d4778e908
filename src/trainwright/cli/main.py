"""The command line: the commands of all panels under one name, and how it ends. torch is not imported here."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from trainwright import __version__
from trainwright.cli import commands_look, commands_model, commands_start, commands_work
from trainwright.cli.answer import EXIT_INTERRUPTED, OWN_PROCESS
from trainwright.cli.completion import answer_bash
from trainwright.cli.examples import show_examples
from trainwright.errors import EXIT_FAILED, EXIT_USAGE, SaidElsewhere, TrainwrightError, first_line

_WIDEST = 2000  # characters of a line of an error, which may quote what it was given

app = typer.Typer(
    name="trainwright",
    help="Train PyTorch networks, and be told what is wrong with the training, the way a good compiler tells.",
    epilog="Exit status: 0 done and healthy; 1 it could not be done; 2 wrong usage or a malformed recipe; "
    "3 done, and at least one finding is an error; 130 after Ctrl-C, 143 after SIGTERM, 124 after --max-time.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel in (commands_start, commands_work, commands_model, commands_look):
    show_examples(panel.app)
    app.add_typer(panel.app)


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


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command line and leave with its exit status."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # before torch is imported: DDP explains itself at length on each rank
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        return _run(arguments)
    except SystemExit as ended:
        if arguments is None and "TORCHELASTIC_RUN_ID" in os.environ:
            # One of several processes: a thread of torch's that asks for Python while it ends would abort the process.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise


def _run(arguments: Sequence[str] | None) -> Any:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the reader's encoding lacks is shown escaped
            stream.reconfigure(errors="backslashreplace")
    if answer_bash(os.environ):
        return
    try:
        given = list(arguments) if arguments is not None else None
        owner = OWN_PROCESS if arguments is None else None
        status = app(args=given, prog_name="trainwright", standalone_mode=False, obj=owner)
        sys.exit(status if isinstance(status, int) else 0)
    except SaidElsewhere as problem:
        sys.exit(problem.exit_status)
    except TrainwrightError as problem:
        from trainwright.report.safe import visible

        lines = [line if len(line) <= _WIDEST else f"{line[:_WIDEST]} ..." for line in f"error: {problem}".split("\n")]
        sys.stderr.write(visible("\n".join(lines) + "\n", keep="\n"))
        sys.exit(problem.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe left: `trainwright report ... | head`
        sys.stderr.close()
        sys.exit(0)
    except Exception as problem:
        if _memory_ran_out(problem):
            sys.stderr.write(f"error: memory ran out\n  evidence: {first_line(problem)}\n")
            sys.stderr.write("  remedy:   take a smaller model, smaller batches, or fewer data at once\n")
            sys.exit(EXIT_FAILED)
        # The parser's own usage error. Typer moved its class from click to itself: it is told by what it can do.
        if not hasattr(problem, "show") or not hasattr(problem, "exit_code"):
            raise
        from trainwright.cli.usage import hint

        problem.show()  # type: ignore[attr-defined]
        if said := hint(problem):
            sys.stderr.write(f"{said}\n")
        sys.exit(EXIT_USAGE)


def _memory_ran_out(problem: BaseException) -> bool:
    if isinstance(problem, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False
    from trainwright.training.auto_batch import ran_out_of_memory

    return ran_out_of_memory(problem)
