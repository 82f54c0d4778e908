"""Programs that others wrote, and other libraries' loops, run as they are: plain, and under `trainwright run`.

For each program: whether the final weights are the same bit by bit and the output is the same, what was counted and
found, the ratio of the seconds, and whether planted faults are named, with the program's own file and line.

    python benchmarks/real_world.py --repository nanoGPT=../nanoGPT --repository examples=../examples

Repositories are those of karpathy/nanoGPT and pytorch/examples; what is not given, or not installed, is skipped and
named. `--text FILE` is the text that language models learn; without it random words are used.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from real_world_cases import PROGRAMS, Fault, Program

HERE = Path(__file__).parent / "real_world_programs"
SOURCE = Path(__file__).parents[1] / "src"
TIMES = re.compile(
    r"time[: ]+[0-9.]+(ms|s)?|[0-9.]+ms|ms/batch +[0-9.]+|mfu -?[0-9.]+%"
    r"|'(train|eval)_(\w+_per_second|runtime)': '[0-9.e+-]+'"
)
"""What differs between two runs of one program, plain or not."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run left behind."""

    status: int
    seconds: float
    weights: tuple[str, ...]
    output: str
    errors: str
    answer: dict[str, Any]


def text_of(file: Path | None) -> str:
    """Return a text of about 300 000 letters."""
    if file is not None:
        return file.read_text(encoding="utf-8")[:300_000]
    choose = random.Random(0)
    words = ["".join(choose.choices("abcdefghijklmnop", k=choose.randint(2, 8))) for _ in range(300)]
    return "".join(" ".join(choose.choices(words, k=12)) + "\n" for _ in range(4000))


def prepare(program: Program, root: Path, folder: Path, text: str) -> Path:
    """Copy a program, give it its data, and return the folder in which its script lies."""
    shutil.copytree(root / program.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    if program.name == "nanoGPT":
        target = folder / "data" / "shakespeare_char"
        letters = sorted(set(text))
        ids = np.array([letters.index(letter) for letter in text], dtype=np.uint16)
        ids[: len(ids) * 9 // 10].tofile(target / "train.bin")
        ids[len(ids) * 9 // 10 :].tofile(target / "val.bin")
        (target / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(letters)}))
    elif program.folder == "word_language_model":
        lines = text.splitlines()
        (folder / "text").mkdir()
        for split, part in (("train", lines[:2400]), ("valid", lines[2400:3000]), ("test", lines[3000:3600])):
            (folder / "text" / f"{split}.txt").write_text("\n".join(part) + "\n", encoding="utf-8")
    return folder


def run(program: Program, folder: Path, *, watched: bool) -> Outcome:
    """Run a program once."""
    for left in folder.glob("REAL_WORLD.*"):
        left.unlink()
    answer = folder / "REAL_WORLD.json"
    watching = ["-m", "trainwright", "run", "--json", str(answer)] if watched else []
    launching = [sys.executable]
    if program.processes:
        launching = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
        launching += [str(program.processes)]
    parts = [HERE / "fingerprint", SOURCE, *([HERE / "stubs"] if program.stubs else [])]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, parts)),
        "REAL_WORLD_FINGERPRINT": str(folder / "REAL_WORLD.weights"),
    }
    started = time.perf_counter()
    done = subprocess.run(
        [*launching, *watching, program.script, *program.arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    seconds = time.perf_counter() - started
    weights = tuple(path.read_text() for path in sorted(folder.glob("REAL_WORLD.weights.*")))
    weights += tuple(line for line in done.stdout.splitlines() if line.startswith("weights "))
    return Outcome(
        status=done.returncode,
        seconds=seconds,
        weights=weights,
        output=TIMES.sub("", done.stdout),
        errors=done.stderr,
        answer=json.loads(answer.read_text()) if answer.exists() else {},
    )


def plant(program: Program, fault: Fault, folder: Path) -> tuple[str, set[int]]:
    """Change one piece of a program's source; return the file's name and the lines on which it may be named."""
    path = folder / (fault.file or program.script)
    source = path.read_text(encoding="utf-8")
    if fault.old not in source:
        return f"'{fault.old.strip()}' is not in {path.name}", set()
    path.write_text(source.replace(fault.old, fault.new, 1), encoding="utf-8")
    return path.name, {
        number
        for name in {path.name, program.script}
        for number, line in enumerate((folder / name).read_text(encoding="utf-8").splitlines(), 1)
        if any(text in line for text in fault.at)
    }


def judge(program: Program, fault: Fault, root: Path, text: str) -> str:
    """Run a program with a fault in it, and say what was named."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = prepare(program, root, Path(scratch), text)
        name, lines = plant(program, fault, folder)
        if not lines:
            return f"{fault.code} not planted: {name}"
        sick = run(program, folder, watched=True)
        findings = sick.answer.get("findings", [])
        codes = ", ".join(dict.fromkeys(finding["code"] for finding in findings)) or "nothing"
        found = next((finding for finding in findings if finding["code"] == fault.code), None)
        if found is None:
            failed = next(
                (line for line in sick.errors.splitlines() if "stood down" in line or "could not" in line), ""
            )
            return f"{fault.code} MISSED (found: {codes}; status {sick.status}) {failed}".rstrip()
        where = found["where"]
        own = where["file"] is not None and Path(where["file"]).name in {name, program.script}
        right = "ok" if own and where["line"] in lines else "WRONG PLACE"
        first = "" if findings[0]["code"] == fault.code else f", after {findings[0]['code']}"
        return f"{fault.code} {right} at {Path(where['file'] or '?').name}:{where['line']}{first}"


def healthy(program: Program, root: Path, text: str, rounds: int) -> dict[str, Any]:
    """Run a program plain and watched, in turn, and compare."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = prepare(program, root, Path(scratch), text)
        ratios, plain, watched = [], None, None
        for turn in range(rounds):
            order = (False, True) if turn % 2 == 0 else (True, False)
            outcomes = {mode: run(program, folder, watched=mode) for mode in order}
            plain, watched = outcomes[False], outcomes[True]
            ratios.append(watched.seconds / plain.seconds)
        assert plain is not None
        assert watched is not None
        report = watched.answer
        return {
            "program": program.name,
            "status": (plain.status, watched.status),
            "same weights": plain.weights == watched.weights != (),
            "same output": plain.output == watched.output,
            "steps": report.get("steps"),
            "findings": [(f["code"], f["severity"]) for f in report.get("findings", [])],
            "stood down": "stood down" in watched.errors or "could not watch" in watched.errors,
            "said": [line for line in watched.errors.splitlines() if line.startswith("trainwright: ")],
            "seconds": round(plain.seconds, 1),
            "ratio": round(statistics.median(ratios), 2),
            "errors": (plain.errors[-300:] if plain.status else "", watched.errors[-300:] if watched.status else ""),
        }


def main() -> int:
    """Run everything that can be run, print what came of it, and say what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="programs whose names hold it")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    options = parser.parse_args()
    roots = {"programs": HERE} | {
        name: Path(folder).resolve() for name, _, folder in (entry.partition("=") for entry in options.repository)
    }
    text = text_of(options.text)
    rows, skipped = [], []
    for program in PROGRAMS:
        if options.only and not any(word in program.name for word in options.only):
            continue
        missing = [name for name in program.needs if importlib.util.find_spec(name) is None]
        if missing or program.repository not in roots:
            skipped.append(f"{program.name}: {', '.join(missing) or f'--repository {program.repository}=FOLDER'}")
            continue
        row = healthy(program, roots[program.repository], text, options.rounds)
        same = "same" if row["same weights"] and row["same output"] else "DIFFERENT"
        alarms = ", ".join(f"{code} {severity}" for code, severity in row["findings"]) or "none"
        print(f"{program.name}\n  numbers {same} (weights {row['same weights']}, output {row['same output']})", end="")
        print(f"  status {row['status']}  steps {row['steps']}  findings {alarms}  {row['seconds']} s x {row['ratio']}")
        if row["stood down"] or any(row["status"]):
            print("  FAILED", *row["errors"], *row["said"])
        row["faults"] = []
        for fault in () if options.no_faults else program.faults:
            row["faults"].append(judge(program, fault, roots[program.repository], text))
            print(f"  {row['faults'][-1]}", flush=True)
        rows.append(row)
    for line in skipped:
        print(f"skipped {line}")
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(row['same weights'] and row['same output'] for row in rows)} of {len(rows)} with the same numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
