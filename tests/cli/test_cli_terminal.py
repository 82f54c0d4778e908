"""What a person sees: a live line in a terminal, plain lines elsewhere, harmless text in both; and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_answers import QUICK, SICK, SICK_LINE, Ask, assert_plain, plain_environment, strict_json, write, write_table

HOSTILE = "\u009b31m\u202ered<script>alert(1)</script>"

LONG = '[data]\nsource = "digits"\n[model]\nname = "mlp"\n[train]\nepochs = 1000\n'


def in_terminal(*arguments: str, cwd: Path) -> tuple[int, str, bool]:
    """Run in a pseudo-terminal; return the status, all that was written, and whether the terminal is as it was."""
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    program = subprocess.Popen(
        [sys.executable, "-m", "trainwright", *arguments],
        cwd=cwd,
        env=plain_environment(TERM="xterm-256color", COLUMNS="100", LINES="30"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    written = b""
    try:
        while program.poll() is None or select.select([controller], [], [], 0)[0]:
            if select.select([controller], [], [], 0.1)[0]:
                written += os.read(controller, 65536)
        return program.wait(), written.decode("utf-8"), termios.tcgetattr(terminal) == before
    finally:
        program.kill()
        os.close(controller)
        os.close(terminal)


def interrupted(*arguments: str, cwd: Path, after: str) -> tuple[int, str, str]:
    """Send an interrupt once a line of standard error or output holds `after`."""
    program = subprocess.Popen(
        [sys.executable, "-m", "trainwright", *arguments],
        cwd=cwd,
        env=plain_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if "--json" not in arguments else subprocess.PIPE,
    )
    words = program.stdout if "--json" not in arguments else program.stderr
    assert words is not None
    try:
        while after not in (line := words.readline().decode("utf-8")):
            assert line, "the program left before it could be interrupted"
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        return program.returncode, out.decode("utf-8"), (err or b"").decode("utf-8")
    finally:
        program.kill()


def test_a_terminal_gets_a_live_line_and_colours_and_is_restored(place: Path) -> None:
    write(place / "sick.toml", SICK)
    status, written, restored = in_terminal("train", "sick.toml", "--set", "train.epochs=20", cwd=place)
    assert status == 3, written
    assert restored
    assert re.search(r"epoch \d+.*loss .* left", written)
    assert "━" in written
    assert "\x1b[?25l" in written
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")
    ended = written[written.rfind("\x1b[?25h") :]
    assert "━" not in ended
    assert "kept in runs/sick-001" in ended
    plain = re.sub(r"\x1b\[[0-9;]*m", "", ended).replace("\r", "")
    assert "digits: ▲ finished with 1 error: learning rate too high" in plain
    # The finding is printed when it is certain, above the line that goes on.
    found = re.search(r"\x1b\[[0-9;]*merror\[TW601\]", written)
    assert found
    assert found.start() < written.rfind("loss ", 0, written.rfind("\x1b[?25h"))
    assert f"sick.toml:{SICK_LINE}" in written


def test_an_interrupted_run_is_kept_and_is_status_130(place: Path) -> None:
    write(place / "recipe.toml", LONG)
    arguments = ("train", "recipe.toml", "--folder", "run", "--json", "-")
    status, out, err = interrupted(*arguments, cwd=place, after="epoch 0  step 0")
    assert status == 130
    assert "Traceback" not in err
    document = strict_json(out)
    assert document["outcome"]["status"] == "interrupted"
    assert document["outcome"]["steps"] < 20_000
    assert document["best"]["test"]["accuracy"] > 0
    head = json.loads((place / "run" / "run.json").read_text(encoding="utf-8"))
    assert head["status"] == "interrupted"
    assert head["digest"] == document["digest"]


def test_an_interrupt_ends_the_demo_and_not_one_of_its_runs_alone(place: Path) -> None:
    status, out, _ = interrupted("demo", "--folder", "demo", cwd=place, after="epoch 0  step 0")
    assert status == 130
    assert "Traceback" not in out
    assert "interrupted" in out
    assert sorted(path.name for path in (place / "demo").iterdir()) == ["1-well", "well.toml"]


def test_an_interrupt_before_the_first_step_leaves_nothing(
    ask: Ask, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainwright.stages.train.load_data", interrupt)
    answer = ask("train", write(place / "recipe.toml"), "--json", "-")
    assert answer.status == 130
    assert "Traceback" not in answer.err
    assert answer.document["error"]["what"] == "interrupted from the keyboard"
    assert [path.name for path in place.iterdir()] == ["recipe.toml"]


def test_where_the_output_is_no_terminal_there_are_plain_lines(ask: Ask, place: Path) -> None:
    recipe = write(place / "recipe.toml", QUICK.replace("epochs = 2", "epochs = 200"))
    answer = ask("train", recipe)
    assert answer.status == 0
    assert answer.err == ""
    assert_plain(answer.out)
    lines = [line for line in answer.out.splitlines() if line.startswith("epoch ")]
    assert 10 < len(lines) < 50
    assert lines[0].startswith("epoch 0  step 0  validation loss ")
    assert re.fullmatch(
        r"epoch 200  step 400  running loss \S+  validation loss \S+  accuracy \S+  \S+ samples/s", lines[-1]
    )


def test_hostile_names_in_data_reach_neither_terminal_nor_page(ask: Ask, place: Path) -> None:
    table = write_table(place / f"{HOSTILE}\x1b[1m.csv".replace("/", ""), features=("a", HOSTILE), target="label")
    lines = table.read_text(encoding="utf-8").splitlines()
    filled = [lines[0], *(line.replace(line.split(",")[1], '""', 1) for line in lines[1:20]), *lines[20:]]
    table.write_text("\n".join(filled) + "\n", encoding="utf-8")
    recipe = write(place / "recipe.toml", QUICK.replace('"iris"', json.dumps(table.name)))
    for arguments in (
        ["new", table.name, "-o", "new.toml"],
        ["new", table.name, "-o", "another.toml", "--target", "none"],
        ["train", recipe, "--folder", "run"],
        ["train", recipe, "--set", f'data.target="{HOSTILE}x"'],
        ["train", recipe, "--set", f"data.{HOSTILE}=1"],
        ["train", recipe, "--folder", f"{HOSTILE}\n\x1b[1m".replace("/", "")],
        ["report", "run"],
        ["runs", "list", "."],
        ["train", f"{HOSTILE}.toml"],
        ["explain", HOSTILE],
    ):
        answer = ask(*arguments)
        assert answer.status in (0, 1, 2)
        assert answer.out + answer.err
        assert_plain(answer.out + answer.err)
        assert "Traceback" not in answer.err
    noted = ask("train", recipe).out
    assert "note: column '\\x9b31m\\u202ered<script>alert(1)</script>': 19 missing values" in noted
    page = (place / "run" / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert not {"\x1b", "\u202e", "\u009b"} & set(page)


def test_a_place_in_a_recipe_is_no_picture(ask: Ask, place: Path) -> None:
    (place / ":100:").mkdir()
    answer = ask("train", write(place / "recipe.toml"), "--folder", ":100:/:cat:[bold]")
    assert answer.status == 0
    assert "kept in :100:/:cat:[bold]; see it with" in answer.out


def test_a_reader_that_leaves_early_sees_no_traceback(place: Path) -> None:
    command = f'"{sys.executable}" -m trainwright explain all | head -n 1'
    done = subprocess.run(
        ["sh", "-c", command], cwd=place, env=plain_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("TW101")
    assert done.stderr == ""
