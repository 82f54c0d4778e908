"""`run --fix`: a diff, a yes, both versions for some steps, and nothing that could be lost."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cli_answers import Ask

from trainwright.cli import fix
from trainwright.cli.fix_file import MendedFile
from trainwright.cli.fix_program import TrialRun
from trainwright.cli.main import main
from trainwright.doctor.kinds import find_kind
from trainwright.errors import RunError
from trainwright.healing.patch import SourcePatch
from trainwright.healing.verdict import Trial
from trainwright.records import Location, LoopFacts, RunInfo, to_plain
from trainwright.watching.watch import Watch

SICK = """\
import sys
import torch
import torch.nn.functional as F
torch.manual_seed(0)
model = torch.nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))
x = torch.randn(64, 4)
y = x @ torch.randn(4, 3)
for step in range(90):
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    print("step", step)
"""
MENDED = SICK.replace("    loss.backward()", "    optimizer.zero_grad()\n    loss.backward()")


@pytest.fixture
def sick(place: Path) -> Path:
    """A program that never zeroes its gradients."""
    file = place / "train.py"
    file.write_bytes(SICK.replace("\n", "\r\n").encode())
    os.utime(file, (1e9, 1e9))
    return file


def _left(*arguments: str) -> int:
    """Return the status that a command leaves with; what its programs print goes to the descriptors."""
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(str(left.value.code))


def test_a_program_is_mended_tried_and_kept_beside_what_it_was(sick: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = _left("run", "--fix", "--yes", "--steps", "60", "--json", "answer.json", "train.py", "1.0")
    told = capfd.readouterr()
    assert status == 0, told.err
    assert sick.read_bytes() == MENDED.replace("\n", "\r\n").encode()
    assert (sick.parent / "train.py.orig").read_bytes() == SICK.replace("\n", "\r\n").encode()
    assert told.out.count("step") == 90, "only the first run is heard"
    answer = json.loads((sick.parent / "answer.json").read_text())
    assert answer["findings"][0]["kind"] == "missing-zero-grad"
    done = answer["fix"]
    assert [line for line in done["diff"][2:] if line[0] in "+-"] == ["+    optimizer.zero_grad()"]
    assert (done["applied"], done["fixed"], done["finding_gone"], done["steps"]) == (True, True, True, 60)
    assert done["outcome"] == "helped"
    assert done["loss_after"] < done["loss_before"]


@pytest.mark.parametrize("option", [["--yes"], ["--steps", "50"]])
def test_options_of_fix_without_it_are_refused(sick: Path, ask: Ask, option: list[str]) -> None:
    answer = ask("run", *option, "train.py")
    assert answer.status == 2
    assert "belongs to --fix" in answer.err


class _Played:
    """A program whose trials are written down."""

    def __init__(self, *trials: Trial) -> None:
        self._trials = list(trials)

    def run(self, *, steps: int | None = None) -> Any:
        trial = self._trials.pop(0)
        notes = {"findings": [{"kind": kind} for kind in trial.kinds], "losses": trial.losses, "problem": None}
        return TrialRun(notes=notes, status=1 if trial.failed else 0, printed=trial.failed)


def _notes(file: Path, *, found: bool = True) -> TrialRun:
    """Return what the first run of the program leaves."""
    where = [Location(file=str(file), line=SICK.splitlines().index(line) + 1) for line in SICK.splitlines()[-3:-1]]
    loop = LoopFacts(steps=90, backward_where=where[0], step_where=where[1])
    findings = [find_kind("missing-zero-grad").finding(where=where[0], step=1)] if found else []
    notes = to_plain({"findings": findings, "info": RunInfo(loop=loop), "losses": [1.0] * 90, "problem": None})
    return TrialRun(notes=json.loads(json.dumps(notes)), status=0, printed="")


def _asked(file: Path, *, found: bool = True, edit: bool = False) -> int:
    """Return the status of a fix that nobody can be asked about."""

    class Once(_Played):
        def run(self, *, steps: int | None = None) -> TrialRun:
            if edit:
                os.utime(file, (4e9, 4e9))  # whatever the clock of the file system
            return _notes(file, found=found)

    program: Any = Once()
    return fix._mend(program, {}, yes=False, steps=None)


def test_without_a_terminal_and_a_yes_nothing_is_written(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sick.read_bytes()
    assert _asked(sick) == 3
    told = capsys.readouterr().err
    assert "+    optimizer.zero_grad()" in told
    assert "nothing was written" in told
    assert sick.read_bytes() == before
    assert os.listdir(sick.parent) == ["train.py"]


def test_a_healthy_program_needs_nothing(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _asked(sick, found=False) == 0
    assert "nothing was found" in capsys.readouterr().err


def test_a_file_that_was_saved_while_its_program_ran_is_not_edited(
    sick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _asked(sick, edit=True) == 3
    assert "changed while the program ran" in capsys.readouterr().err


def test_a_terminal_is_asked_and_a_no_is_heeded(sick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    monkeypatch.setattr("sys.stderr", said)
    before = sick.read_bytes()
    assert _asked(sick) == 3
    assert "write this to train.py? [y/N]" in said.getvalue()
    assert "\x1b[32m+    optimizer.zero_grad()\x1b[0m" in said.getvalue()
    assert sick.read_bytes() == before


def _falling(first: float, last: float, *kinds: str, steps: int = 50) -> Trial:
    losses = tuple(first + (last - first) * step / (steps - 1) for step in range(steps))
    return Trial(losses=losses, kinds=frozenset(kinds))


def _unzeroed(first: float, last: float, *, steps: int = 50) -> Trial:
    return _falling(first, last, "missing-zero-grad", steps=steps)


def _applied(file: Path, after: Trial, *longer: Trial) -> tuple[int, dict[str, Any]]:
    patch = SourcePatch(
        finding=find_kind("missing-zero-grad").finding(),
        file=str(file),
        before=file.read_bytes(),
        after=b"mended\n",
        text="",
    )
    before, answer = _unzeroed(1.0, 1.0), dict[str, Any]()
    program: Any = _Played(before, after, *longer)
    return fix._apply(program, patch, answer, 50, others=0), answer["fix"]


def test_a_patch_that_breaks_the_program_is_taken_back(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, dated = sick.read_bytes(), sick.stat().st_mtime
    status, done = _applied(sick, Trial(losses=(), kinds=frozenset(), failed="NameError: optimizer"))
    assert (status, done["applied"], done["outcome"]) == (3, False, "worse")
    assert sick.read_bytes() == before
    assert sick.stat().st_mtime == dated
    assert os.listdir(sick.parent) == ["train.py"]
    assert "NameError" in capsys.readouterr().err


def test_what_is_judged_worse_is_never_written_though_the_mistake_was_certain(sick: Path) -> None:
    before = sick.read_bytes()
    longer = _falling(2.0, 2.0, steps=250), _unzeroed(1.0, 1.0, steps=250)
    status, done = _applied(sick, _falling(2.0, 2.0), *longer)
    assert (status, done["applied"], done["outcome"], done["steps"]) == (3, False, "worse", 250)
    assert sick.read_bytes() == before


def test_what_looks_worse_for_a_while_is_judged_by_longer_trials(sick: Path) -> None:
    longer = _falling(1.0, 0.1, steps=250), _unzeroed(1.0, 3.0, steps=250)
    status, done = _applied(sick, _falling(1.5, 1.2), *longer)
    assert (status, done["applied"], done["outcome"], done["finding_gone"]) == (0, True, "helped", True)
    assert sick.read_bytes() == b"mended\n"


def test_a_certain_mistake_stays_mended_where_the_loss_falls_though_not_as_fast(sick: Path) -> None:
    longer = _falling(2.0, 1.2, steps=250), _unzeroed(1.0, 1.0, steps=250)
    status, done = _applied(sick, _falling(2.0, 1.8), *longer)
    assert (status, done["applied"], done["outcome"]) == (0, True, "slower")
    assert sick.read_bytes() == b"mended\n"


def test_what_could_not_be_watched_is_not_taken_for_mended() -> None:
    notes = {"findings": [], "losses": [], "problem": "ValueError: of the watcher"}
    unwatched = TrialRun(notes=notes, status=0, printed="")
    assert unwatched.trial().failed
    assert TrialRun(notes=None, status=0, printed="").trial().failed


def test_an_interrupted_trial_leaves_the_program_as_it_was(sick: Path) -> None:
    before = sick.read_bytes()

    class Interrupted(_Played):
        def run(self, *, steps: int | None = None) -> Any:
            if not self._trials:
                raise KeyboardInterrupt
            return super().run(steps=steps)

    program: Any = Interrupted(Trial(losses=(), kinds=frozenset()))
    finding = find_kind("missing-zero-grad").finding()
    patch = SourcePatch(finding=finding, file=str(sick), before=before, after=b"mended\n", text="")
    with pytest.raises(KeyboardInterrupt):
        fix._apply(program, patch, {}, 50, others=0)
    assert sick.read_bytes() == before
    assert os.listdir(sick.parent) == ["train.py"]


def test_a_read_only_file_is_refused_in_words(sick: Path) -> None:
    sick.chmod(0o444)
    with pytest.raises(RunError, match="read-only"):
        MendedFile(str(sick), sick.read_bytes(), b"mended\n")
    assert os.listdir(sick.parent) == ["train.py"]


def test_a_file_that_has_changed_since_is_refused(sick: Path) -> None:
    with pytest.raises(RunError, match="changed since"):
        MendedFile(str(sick), b"something else\n", b"mended\n")
    assert os.listdir(sick.parent) == ["train.py"]


def test_copies_are_never_written_over_links_stay_links_and_modes_stay(sick: Path) -> None:
    taken = sick.with_name("train.py.orig")
    taken.write_text("mine\n")
    sick.chmod(0o751)
    link = sick.with_name("link.py")
    link.symlink_to(sick.name)
    mended = MendedFile(str(link), sick.read_bytes(), b"mended\n")
    assert link.is_symlink()
    assert sick.read_bytes() == b"mended\n"
    assert sick.stat().st_mode & 0o777 == 0o751
    assert taken.read_text() == "mine\n"
    assert mended.copy.name == "train.py.orig.1"


def test_what_somebody_edits_meanwhile_is_not_put_back(sick: Path) -> None:
    mended = MendedFile(str(sick), sick.read_bytes(), b"mended\n")
    sick.write_text("edited\n")
    assert not mended.restore()
    assert sick.read_text() == "edited\n"
    assert mended.copy.exists()


def test_a_watched_program_can_be_ended_after_some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train.py", "0.1"])
    watched = Watch(stop_after_steps=7)
    watched.start()
    try:
        with pytest.raises(SystemExit):
            exec(compile(MENDED.replace('    print("step", step)\n', ""), "train.py", "exec"), {})
    finally:
        watched.stop()
    assert watched.problem is None
    loop = watched.chart.info.loop
    assert loop is not None
    assert loop.steps == 7
    assert not loop.finished
    assert len(watched.chart.steps) == 7
