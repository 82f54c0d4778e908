"""Others' watchers beside ours: what they say of the ward's programs, and what they cost.

    python benchmarks/rivals.py --python /path/to/a/venv/bin/python     a Python in which the others are installed
    python benchmarks/rivals.py --python ... --every 4                  each fourth program only
    python benchmarks/rivals.py --python ... --half reporting --lines seen.jsonl      keep what was seen there

None of them is needed by the library: what that Python lacks is printed as not installed. The first table runs each
sick program of the ward, its fixed twin and the healthy controls once, on one task with one seed, with the watchers put
in from outside (rivals_adapters.py, rivals_visit.py); a lint reads the same files. The second table needs our own
requirements in that Python too (rivals_overhead.py). Short runs on whatever machine this is: read them to the first
digit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # takes a second, which every optimizer of every forked program would wait for

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from ward.patient import WARD, Variant, visit  # noqa: E402
from ward.program import Program, programs  # noqa: E402

from rivals_tables import Lines, costs, names  # noqa: E402

PACKAGES = {  # what is looked for, and how it takes part
    "torchfix": "reads the file",
    "torch_audit": "put in",
    "training_doctor": "put in",
    "torchdiag": "put in",
    "neural_net_checklist": "put in, before training",
    "cockpit": "draws curves and names nothing: cost only",
    "drtensor": "records shapes and names nothing: cost only",
    "traincheck": "learns from traced runs of sound programs first: not run here",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Find out what is installed, run what was asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter in which the others are installed")
    parser.add_argument("--half", choices=("fitting", "reporting"), default="fitting")
    parser.add_argument("--every", type=int, default=1, help="of the programs, each so-manieth")
    parser.add_argument("--lines", type=Path, help="a file that keeps what was seen, and is gone on from")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="a plain run of the second table, about")
    parser.add_argument("--no-names", action="store_true", help="without the first table")
    parser.add_argument("--no-cost", action="store_true", help="without the second table")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    versions = _installed(options.python)
    for package, part in PACKAGES.items():
        print(f"{package:<22} {versions.get(package, 'not installed'):<14} {part}")
    if not options.no_names:
        lines = _visits(options.python, options.half, options.every, options.lines, lint="torchfix" in versions)
        print(f"\n{names(lines)}")
    if not options.no_cost:
        more = [f"--rounds={options.rounds}", f"--seconds={options.seconds}"]
        told = _run([options.python, str(HERE / "rivals_overhead.py"), *more])
        print(f"\n{costs([json.loads(line) for line in told.splitlines()], os.getloadavg()[0])}")
    return 0


def _installed(python: str) -> dict[str, str]:
    """Return the version of each package that this Python has."""
    code = (
        "import importlib.metadata as m, importlib.util as u, json, sys\n"
        "found = [p for p in sys.argv[1:] if u.find_spec(p)]\n"
        "of = m.packages_distributions()\n"
        "print(json.dumps({p: m.version(of[p][0]) if p in of else '?' for p in found}))"
    )
    return json.loads(_run([python, "-c", code, *PACKAGES]))


def _visits(python: str, half: str, every: int, kept: Path | None, *, lint: bool) -> Lines:
    """Run every program under the others, let the lint read them, and run them under ours; go on from what is kept."""
    seen = [json.loads(line) for line in kept.read_text().splitlines()] if kept is not None and kept.exists() else []
    by = {(line["variant"], line["name"]): line for line in seen}
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(_jobs(Path(folder), half, every))
        text = "".join(json.dumps(job) + "\n" for job in jobs if (job["variant"], job["name"]) not in by)
        new = _run([python, str(HERE / "rivals_visit.py")], text) if text else ""
        by |= {(line["variant"], line["name"]): line for line in map(json.loads, new.splitlines())}
        lines = [by[job["variant"], job["name"]] for job in jobs]
        _keep(kept, lines)
        found = _lint(python, folder) if lint else {}
    for line in lines:
        for rules, codes in found.items():
            said = dict.fromkeys(sorted(codes.get((line["variant"], line["name"]), ())), True)
            line["rivals"][rules] = {"applied": True, "said": said}
        if "right" not in line:
            _ours(line, half)
            _keep(kept, lines)
    return lines


def _keep(path: Path | None, lines: Lines) -> None:
    if path is not None:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _ours(line: dict[str, Any], half: str) -> None:
    """Add to a line what the doctor says of the same run."""
    program = Program.read(WARD / ("controls" if line["variant"] == "healthy" else half) / f"{line['name']}.py")
    said: dict[str, bool] = {}
    for finding in visit(program, line["variant"], line["task"], line["seed"]).findings:
        said[finding.kind] = said.get(finding.kind, False) or finding.severity in ("warning", "error")
    line["rivals"]["tw.watch()"] = {"applied": True, "said": said}
    line["right"] = [program.kind, *program.also]


def _jobs(folder: Path, half: str, every: int) -> Iterator[dict[str, Any]]:
    folders: tuple[tuple[str, tuple[Variant, ...]], ...] = ((half, ("sick", "fixed")), ("controls", ("healthy",)))
    for of, variants in folders:
        for program in programs(WARD / of)[::every]:
            for variant in variants:
                path = folder / variant / f"{program.name}.py"
                path.parent.mkdir(exist_ok=True)
                path.write_text(program.path.read_text() if variant == "healthy" else program.text(variant))
                seed = 100 if half == "reporting" else 0
                yield {
                    "name": program.name,
                    "variant": variant,
                    "path": str(path),
                    "task": program.tasks[0],
                    "seed": seed,
                }


def _lint(python: str, folder: str) -> dict[str, dict[tuple[str, str], set[str]]]:
    """Return, by its rules and then by variant and program, the codes that TorchFix prints."""
    found: dict[str, dict[tuple[str, str], set[str]]] = {}
    for name, select in (("TorchFix", []), ("TorchFix, all rules", ["--select=ALL"])):
        command = [python, "-m", "torchfix", "-j", "1", *select, folder]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # it exits 1 if it found
        codes: dict[tuple[str, str], set[str]] = {}
        for variant, program, code in re.findall(r"(\w+)/(\w+)\.py:\d+:\d+: (TOR\d+)", printed):
            codes.setdefault((variant, program), set()).add(code)
        found[name] = codes
    return found


def _run(command: list[str], text: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent / 'src'}"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
