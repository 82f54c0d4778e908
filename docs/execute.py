"""Runs the code on the pages and writes what it prints under it, so that no page can show what the code does not do.

    python -m docs.execute                     the pages whose code was changed since it was run
    python -m docs.execute docs/book/losses.md these
    python -m docs.execute --all               every page
    python -m docs.execute --compare           every page; writes nothing, says what differs (some two minutes)
    python -m docs.execute --check             runs nothing; says which pages were changed since (a second)
    python -m docs.execute --peers PYTHON      the programs of other libraries too, by this interpreter that has them

A fence that begins ```python exec or ```console exec is run; one with file=NAME is written to NAME first. The blocks of
a page share a process, an empty folder with the examples in it, and the seed 0. Durations may differ from what is
written, and numbers by 5 %: another processor rounds otherwise. Exit status: 0 the pages agree; 1 they do not.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from docs.blocks import DOCS, ROOT, Block, blocks_of, fingerprint, name_of, pages, with_outputs

RECORD = DOCS / "executed.json"
CLOSE = 0.05
"""The share by which a number may differ: sums in another order move a trained loss in its third digit."""
_TINY = 1e-5
_DURATION = re.compile(r"\b\d+(\.\d+)?( ?(ms|s|seconds?|minutes?)\b)(?! per)")
_LONG = re.compile(r"\(\d+(\.\d+)? (ms|s)\)")
"""Told behind what took long, and so not every time."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_SHARE = re.compile(r"\b(\d{2,}) of (\d{2,})\b")
"""How many steps are watched hangs on the time that watching them takes; the share of them does not."""
_DRAWN = re.compile("[\u2500-\u25ff\u2800-\u28ff]+|-{2,}")
"""Plots of the terminal: a point more or less moves with the third digit of a loss."""
_ERASE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, compare or check the pages that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    for name in ("all", "compare", "check"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--peers", type=Path, metavar="PYTHON")
    asked = parser.parse_args(arguments)
    chosen = [page.resolve() for page in asked.pages] or pages()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    stale = [page for page in chosen if _marks(page) != record.get(name_of(page), ["", ""])]
    if asked.check:
        gone = [] if asked.pages else sorted(set(record) - {name_of(page) for page in chosen})
        if stale or gone:
            print(f"changed since its code was run: {', '.join([*map(name_of, stale), *gone])}; python -m docs.execute")
        return int(bool(stale or gone))
    if not (asked.all or asked.compare or asked.pages):
        chosen = stale
    wrong = sum(_done(page, record, asked.compare, asked.peers) for page in chosen)
    if not asked.compare:
        known = {name_of(page) for page in pages()}
        kept = {name: marks for name, marks in sorted(record.items()) if name in known and any(marks)}
        RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return int(wrong > 0)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _marks(page: Path) -> list[str]:
    """Return the fingerprints of all blocks of a page, and of those that need another library."""
    text = _text(page)
    return [fingerprint(text), fingerprint(text, of_peers=True)]


def _done(page: Path, record: dict[str, list[str]], compare: bool, peers: Path | None) -> bool:
    """Run a page and write or compare what it printed; say whether it failed."""
    from docs.running import Failed, run_page  # what it imports takes seconds, and --check does without

    text, started = _text(page), _processor_seconds()
    blocks = list(blocks_of(text))
    if not blocks:
        record[name_of(page)] = ["", ""]
        return False
    if peers is None and _marks(page)[1] != record.get(name_of(page), ["", ""])[1]:
        print(f"{name_of(page)}: its programs of other libraries were changed since they were run; use --peers PYTHON")
        return True
    try:
        outputs = [(block, _ERASE.sub("", output)) for block, output in run_page(page, blocks, peers)]
    except Failed as problem:
        print(f"{name_of(page)}: {problem}", flush=True)
        return True
    told = f"{name_of(page)}: {len(blocks)} blocks, {_processor_seconds() - started:.1f} s of processor time"
    left = sum(block.of_peers for block in blocks) if peers is None else 0
    print(told + (f"; {left} of other libraries were not run" if left else ""), flush=True)
    if compare:
        return sum(_differs(page, block, output) for block, output in outputs) > 0  # all of them are shown
    outputs = [(block, block.written if same(block.written, output) else output) for block, output in outputs]
    page.write_text(with_outputs(text, outputs), encoding="utf-8")
    record[name_of(page)] = _marks(page)
    return False


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _differs(page: Path, block: Block, output: str) -> bool:
    if same(block.written, output):
        return False
    print(f"{name_of(page)} shows something else than its code prints:")
    lines = difflib.unified_diff(block.written.splitlines(), output.splitlines(), "written", "printed", lineterm="")
    print("\n".join(lines))
    return True


def same(written: str, printed: str) -> bool:
    """Say whether two outputs agree: in words exactly, in numbers to 5 %; not in durations, drawings, watched steps."""
    first, second = (_settled(text) for text in (written, printed))
    if first == second:
        return True
    if _NUMBER.sub("#", first) != _NUMBER.sub("#", second):
        return False
    numbers = [[float(found.replace(",", "")) for found in _NUMBER.findall(text)] for text in (first, second)]
    return all(math.isclose(one, other, rel_tol=CLOSE, abs_tol=_TINY) for one, other in zip(*numbers, strict=True))


def _settled(text: str) -> str:
    words = " ".join(_DRAWN.sub(" ", _LONG.sub("", text)).split())
    shares = _SHARE.sub(lambda found: f"{int(found[1]) / max(int(found[2]), 1):.4f} of all", words)
    return _DURATION.sub(r"# \3", shares)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
