"""A program that does not train behaves under the doctor as it does under python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_answers import plain_environment, write
from cli_twins import Files, ran, twins

SELF = """
import __main__, os, sys
print(__file__, __name__, __package__, __spec__, sorted(vars(__main__)), sys.argv, sys.path)
print(sys.flags, sys.warnoptions, sys.getrecursionlimit(), sys.stdout.errors, sys.stdout.write_through)
print(sys.excepthook is sys.__excepthook__, os.environ.get("PYTHONPATH"), [n for n in os.environ if "TRAINWRIGHT" in n])
print([name for name in ("torch", "rich", "typer", "json", "dataclasses") if name in sys.modules])
"""

RAISES = """
import sys
def cause():
    raise ValueError("first")
def group():
    try:
        cause()
    except ValueError as problem:
        raise ExceptionGroup("several", [problem, TypeError("second")]) from problem
group()
"""

HOOKED = """
import sys
def mine(kind, problem, trace):
    depth = 0
    while trace is not None:
        depth, trace = depth + 1, trace.tb_next
    print("mine:", kind.__name__, problem, depth)
sys.excepthook = mine
1 / 0
"""

AT_EXIT = """
import atexit, threading, time
class Last:
    def __del__(self):
        print("deleted")
last = Last()
atexit.register(print, "registered first")
atexit.register(print, "registered last")
threading.Thread(target=lambda: (time.sleep(0.05), print("a thread"))).start()
def fails():
    raise ValueError("in a thread")
failing = threading.Thread(target=fails, name="Failing")
failing.start()
failing.join()
print("the end")
"""

WARNS = """
import warnings
warnings.warn("here")
warnings.warn("above", stacklevel=2)
def old():
    warnings.warn("old", DeprecationWarning, stacklevel=2)
old()
open(__file__)
def deep(level):
    return deep(level + 1)
deep(0)
"""

CHILDREN = """
import multiprocessing, os, pickle, sys
class Kept:
    value = 7
def work(queue):
    queue.put((__name__, sys.argv, os.path.basename(__file__)))
if __name__ == "__main__":
    print(pickle.loads(pickle.dumps(Kept())).value)
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        child = context.Process(target=work, args=(queue,))
        child.start()
        print(queue.get())
        child.join()
        print(child.exitcode)
    sys.stdout.flush()
    if os.fork() == 0:
        sys.exit(4)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""

PACKAGE: Files = {
    "package/__init__.py": "",
    "package/__main__.py": "import sys\nfrom . import near\nprint(sys.argv, __package__, near.V)\nraise KeyError(1)\n",
    "package/near.py": "V = 1\n",
    "package/train.py": "import sys\nfrom .near import V\nprint(sys.argv, __name__, __spec__.name, sys.path[0], V)\n",
}

PROGRAMS: dict[str, tuple[list[str], Files]] = {
    "no such script": (["nowhere.py"], {}),
    "no such module": (["-m", "nowhere"], {}),
    "a package without main": (["-m", "empty"], {"empty/__init__.py": ""}),
    "a syntax error": (["s.py"], {"s.py": "x = 1\nif x\n  y = 2\n"}),
    "a null byte": (["s.py"], {"s.py": "x = '\0'\n"}),
    "chained errors and a group": (["s.py"], {"s.py": RAISES}),
    "an excepthook of its own": (["s.py"], {"s.py": HOOKED}),
    "exit with nothing": (["s.py"], {"s.py": "import sys\nsys.exit()\n"}),
    "exit with a number": (["s.py"], {"s.py": "import sys\nsys.exit(259)\n"}),
    "exit with words": (["s.py"], {"s.py": "raise SystemExit('words')\n"}),
    "exit at once": (["s.py"], {"s.py": "import os\nprint('x', flush=True)\nos._exit(5)\n"}),
    "what it knows of itself": (["s.py", "--json", "-m", "--", "a b", "--strict"], {"s.py": SELF}),
    "a folder": (["app", "x"], {"app/__main__.py": "import sys, near\nprint(__file__, sys.argv, sys.path[0])\n" + SELF,
                                "app/near.py": ""}),
    "a package": (["-m", "package", "--strict", "-m"], PACKAGE),
    "a module of a package": (["-m", "package.train", "--epochs", "3"], PACKAGE),
    "what runs at its end": (["s.py"], {"s.py": AT_EXIT}),
    "children": (["s.py", "argument"], {"s.py": CHILDREN}),
    "much output": (["s.py"], {"s.py": "import sys\nprint('x' * 3_000_000)\nsys.stderr.write('y' * 3_000_000)\n"}),
    "closed streams": (["s.py"], {"s.py": "import sys\nprint('x')\nsys.stdout.close()\nsys.stderr.close()\n"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_behaves_as_under_python(name: str, tmp_path: Path) -> None:
    command, files = PROGRAMS[name]
    plain, watched = twins(tmp_path, command, files)
    assert watched == plain


def test_its_environment_and_options_of_the_interpreter_are_its_own(tmp_path: Path) -> None:
    plain, watched = twins(
        tmp_path, ["s.py"], {"s.py": SELF}, options=["-u", "-X", "dev", "-W", "error"], PYTHONPATH="/one:/two"
    )
    assert watched == plain
    assert "/one:/two" in plain.out


def test_its_warnings_name_the_same_lines(tmp_path: Path) -> None:
    plain, watched = twins(tmp_path, ["s.py"], {"s.py": WARNS}, PYTHONWARNINGS="default")
    assert watched == plain
    assert plain.err.count("Warning: ") == 5
    assert "RecursionError" in plain.err


def test_characters_that_cannot_be_printed_stay_its_own_trouble(tmp_path: Path) -> None:
    plain, watched = twins(tmp_path, ["s.py"], {"s.py": "print('\u2713')\n"}, PYTHONIOENCODING="ascii")
    assert watched == plain
    assert "UnicodeEncodeError" in plain.err


def test_it_reads_standard_input(tmp_path: Path) -> None:
    plain, watched = twins(tmp_path, ["s.py"], {"s.py": "import sys\nprint(sys.stdin.read())\n"}, typed="a\nb\n")
    assert watched == plain


def test_it_may_come_from_standard_input(tmp_path: Path) -> None:
    plain, watched = twins(tmp_path, ["-", "x"], {}, typed="import sys\nprint(sys.argv)\n")
    assert watched == plain


def test_a_link_to_it_leads_to_its_own_folder(tmp_path: Path) -> None:
    write(tmp_path / "real" / "s.py", "import near, sys\nprint(__file__, sys.path[0], near.V)\n")
    write(tmp_path / "real" / "near.py", "V = 1\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "s.py")
    plain, watched = twins(tmp_path, ["link.py"], {})
    assert watched == plain


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_as_it_ends_python(name: str, tmp_path: Path) -> None:
    sleeper = (
        "import atexit, time\natexit.register(print, 'bye')\ntry:\n    print('up', flush=True)\n    time.sleep(60)\n"
    )
    files = {"s.py": f"{sleeper}finally:\n    print('cleared')\n"}
    plain, watched = twins(tmp_path, ["s.py"], files, ended_by=signal.Signals[name])
    assert (watched.status, watched.out) == (plain.status, plain.out)
    assert watched.status == -signal.Signals[name]
    assert watched.err.splitlines()[-1:] == plain.err.splitlines()[-1:]


def test_its_own_modules_come_before_what_the_doctor_uses(tmp_path: Path) -> None:
    files = {"s.py": "import json, rich\nprint(json.V, rich.V)\n", "json.py": "V = 1\n", "rich.py": "V = 2\n"}
    for name, text in files.items():
        write(tmp_path / "own" / name, text)
    done = ran(tmp_path, ["own/s.py"], doctor=["--quiet"])
    assert (done.status, done.out, done.err) == (0, "1 2\n", "")


def test_a_sitecustomize_of_its_own_is_still_imported(tmp_path: Path) -> None:
    write(tmp_path / "site" / "sitecustomize.py", "VALUE = 5\n")
    files = {"s.py": "import sitecustomize\nprint(sitecustomize.VALUE, sitecustomize.__file__)\n"}
    plain, watched = twins(tmp_path, ["s.py"], files, PYTHONPATH="site")
    assert watched == plain


def test_without_torch_the_report_says_so_and_lies_where_it_was_meant_to(tmp_path: Path) -> None:
    write(tmp_path / "s.py", "import os\nos.makedirs('elsewhere')\nos.chdir('elsewhere')\nos._exit(5)\n")
    done = ran(tmp_path, ["s.py"], doctor=["--json", "report.json", "--strict"])
    document = json.loads((tmp_path / "report.json").read_text())
    assert done.status == 5
    assert "torch was not imported" in done.err
    assert (document["findings"], document["ended"], document["steps"]) == ([], "exited", 0)


@pytest.mark.parametrize(
    ("program", "ended"), [("x = 1", "finished"), ("1 / 0", "failed"), ("raise KeyboardInterrupt", "interrupted")]
)
def test_json_is_the_last_line_of_standard_output_and_tells_how_it_ended(
    program: str, ended: str, tmp_path: Path
) -> None:
    write(tmp_path / "s.py", f"import atexit\natexit.register(print, 'no end of line', end='')\n{program}\n")
    done = ran(tmp_path, ["s.py"], doctor=["--quiet", "--json", "-"])
    *own, last = done.out.splitlines()
    assert own == ["no end of line"]
    assert json.loads(last)["ended"] == ended


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "there is nothing to run"),
        (["--level", "ful", "s.py"], "did you mean 'full'?"),
        (["--stop-on", "eror", "s.py"], "did you mean 'error'?"),
        (["--ignore", "TW999", "s.py"], "TW999"),
        (["--strct", "s.py"], "--strct"),
        (["--json", ".", "s.py"], "--json . cannot be written"),
        (["--sarif", "s.py/x", "s.py"], "--sarif s.py/x cannot be written"),
    ],
)
def test_a_slip_is_told_before_the_program_runs(options: list[str], words: str, tmp_path: Path) -> None:
    write(tmp_path / "s.py", "print('has run')\n")
    done = ran(tmp_path, [], doctor=options, TERMINAL_WIDTH="100")
    assert done.status in (1, 2)
    assert words in done.err
    assert "has run" not in done.out


def test_an_interpreter_that_heeds_no_environment_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "s.py", "print('has run')\n")
    done = ran(tmp_path, ["s.py"], doctor=[], options=["-E"])
    assert done.status == 2
    assert "with tw.watch():" in done.err


def test_called_as_a_function_it_leaves_the_caller_alive(tmp_path: Path) -> None:
    write(tmp_path / "s.py", "import sys\nprint(sys.argv)\nsys.exit(6)\n")
    caller = "from trainwright.cli.main import main\ntry:\n    main(['run', '--quiet', 's.py', 'a'])\n"
    caller += "except SystemExit as leaving:\n    print('alive', leaving.code)\n"
    done = subprocess.run(
        [sys.executable, "-c", caller], cwd=tmp_path, env=plain_environment(), capture_output=True, text=True
    )
    assert done.stdout == "['s.py', 'a']\nalive 6\n"
    assert done.stderr == ""
