"""The command line, asked within this process or in one of its own, and what it answers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from trainwright.cli.main import main

QUICK = '[data]\nsource = "iris"\n\n[train]\nepochs = 2\n'
"""A recipe that trains in a moment."""

SICK = """\
[data]
source = "digits"

[model]
name = "mlp"

[optimizer]
name = "adamw"
lr = 30.0  # far too high

[schedule]
name = "constant"

[train]
epochs = 8
"""
"""A recipe that diverges; line 9 is to blame."""

SICK_LINE = 9


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        return strict_json(self.out)


Ask = Callable[..., Answer]


def asking(capsys: pytest.CaptureFixture[str]) -> Ask:
    def ask(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        status = leaving.value.code
        assert isinstance(status, int)
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return ask


def process(*arguments: object, cwd: Path, **environment: str) -> Answer:
    """Ask in a real process."""
    done = subprocess.run(
        [sys.executable, "-m", "trainwright", *map(str, arguments)],
        cwd=cwd,
        env=plain_environment(**environment),
        capture_output=True,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def plain_environment(**more: str) -> dict[str, str]:
    left_out = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE", "COLUMNS", "TRAINWRIGHT_DATA")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1", **more}


def strict_json(text: str) -> Any:
    """Parse JSON as RFC 8259 has it: NaN and Infinity are no numbers."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def write(path: Path, content: str | bytes = QUICK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_table(
    path: Path,
    *,
    features: Sequence[str] = ("width", "height"),
    target: str = "kind",
    classes: Sequence[str] = ("ash", "oak"),
    rows: int = 60,
) -> Path:
    """Write a CSV file whose classes are told apart with ease, every cell quoted."""
    chance = random.Random(0)

    def line(cells: Sequence[str]) -> str:
        return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"

    body = (
        line([*(f"{chance.gauss(row % len(classes), 0.2):.3f}" for _ in features), classes[row % len(classes)]])
        for row in range(rows)
    )
    return write(path, line([*features, target]) + "".join(body))


def kept_runs(folder: Path) -> list[Path]:
    """Everything below `folder` that a run leaves behind."""
    return sorted(found for name in ("run.json", "runs", "checkpoints") for found in folder.rglob(name))


def assert_refused(answer: Answer, status: int, *words: str, place: Path) -> None:
    """One clear message on standard error, no traceback, no JSON, and no run left behind."""
    assert answer.status == status, answer
    assert answer.err.startswith("error: "), answer.err
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err
    assert_plain(answer.err)
    assert kept_runs(place) == []


def assert_plain(text: str) -> None:
    """No character that a terminal would obey but the end of a line."""
    assert [character for character in text.replace("\n", "") if not character.isprintable()] == []
