"""Can the loader be read to its end, again, and does it give batches that fit one another."""

from __future__ import annotations

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.left_over import refuses_one
from trainwright.checks.passage import Passage, Problem, passage
from trainwright.checks.reading import passage_of, source_of, training_passage
from trainwright.checks.subject import Subject
from trainwright.data.feed import Feed
from trainwright.data.streams import passed
from trainwright.doctor.kinds_datasets import DATA_UNREADABLE
from trainwright.doctor.kinds_wiring import BATCH_NORM_TINY_BATCH
from trainwright.records import Evidence, Finding, Location, Remedy

AGAIN_SECONDS = 0.5
"""Time for a second pass, which is compared with the first as far as it comes."""
AGAIN = "the data cannot be read a second time"
_ANEW = "let __iter__ begin anew each time it is called, or pass list(data)"


def examine(subject: Subject) -> Answer:
    """Read a pass over training and validation, for some seconds each, and begin a second one."""
    findings: list[Finding] = []
    told: list[str] = []
    measured: dict[str, int] = {}
    for part, feed in (("training", subject.train), ("validation", subject.validation)):
        given = _passage(subject, part, feed)
        if given is None:
            continue
        problem = given.problem or _second(subject, feed, given) or _shorter(feed, given)
        if problem is not None:
            findings.append(_finding(problem, part, given))
        elif part == "training":
            findings += _left_over(subject, given)
        if part == "training" and feed is None and not given.complete and problem is None:
            findings.append(_endless(given))
        told.append(f"{given.batches} batches of {part}{'' if given.complete else ', and not to the end'}")
        measured |= {f"{part}_batches": given.batches, f"{part}_samples": given.samples}
    if not told:
        raise Skip("the data are in memory" if subject.loader is None else "the batches are no pairs of single tensors")
    return Answer(findings=tuple(findings), measured=measured, value="; ".join(told), expected="all can be read")


def _passage(subject: Subject, part: str, feed: Feed | None) -> Passage | None:
    """Return a pass that is read now: what can be read once only may have been read before."""
    if part == "training":
        return training_passage(subject, anew=True)
    return None if feed is None or source_of(feed) is None else passage_of(subject, feed, anew=True)


def _second(subject: Subject, feed: Feed | None, first: Passage) -> Problem | None:
    """Return a problem where a second pass, or the first after the batches that all checks use, is another one."""
    if first.batches == 0:
        return _nothing("some")
    source = subject.loader if feed is None else source_of(feed)
    if getattr(source, "num_workers", 0):
        return None  # each worker begins with a copy of its own, and starting them takes time
    device = first.kept.batches[0][0].device
    batches = passed(source, subject.seed, device, "again")
    again = passage(batches, samples=first.samples, most=first.samples, seconds=AGAIN_SECONDS)
    if again.batches == 0 and again.problem is None:
        return _nothing(str(first.batches))
    if again.problem is not None:
        return again.problem
    if again.complete and again.samples < first.samples:
        return Problem(
            batch=again.batches,
            title="a second pass over the data is shorter than the first",
            words=f"{again.samples} samples, and {first.samples} in the pass before",
            remedy=_ANEW,
        )
    return None


def _nothing(before: str) -> Problem:
    words = f"a pass gave no batch, one before it {before}"
    return Problem(batch=0, title=AGAIN, words=words, remedy=_ANEW)


def _shorter(feed: Feed | None, given: Passage) -> Problem | None:
    """Return a problem where a pass ended before, or after, as many samples as the data say to hold."""
    if feed is None or not given.complete or given.samples == feed.samples:
        return None
    return Problem(
        batch=given.batches,
        title="a pass over the data holds another number of samples than they say",
        words=f"{given.samples} samples, and {feed.samples} were told or counted before",
        remedy="let len() of the loader, its sampler and its data set tell what a pass gives, the same for each pass",
    )


def _left_over(subject: Subject, given: Passage) -> list[Finding]:
    """Return a finding where a batch of a pass is a single sample, and the model cannot train on it."""
    if given.smallest != 1 or given.samples == given.batches:
        return []
    said = refuses_one(subject.model, subject.x)
    if said is None:
        return []
    return [
        BATCH_NORM_TINY_BATCH.finding(
            severity="error",
            title="a batch holds a single sample, and batch normalisation needs several",
            evidence=(
                Evidence(name="samples in the smallest batch of a pass", value=1, threshold=2),
                Evidence(name=f"samples of the pass, in {given.batches} batches", value=given.samples),
                Evidence(name="with a single sample the model raises", value=said),
            ),
            remedies=(
                Remedy(text="drop the short batch (drop_last=True in a DataLoader), or take another batch size"),
            ),
        )
    ]


def _endless(given: Passage) -> Finding:
    """Say that nobody knows where the data end: fine for a stream that is trained on by steps, so it is a note."""
    return DATA_UNREADABLE.finding(
        severity="note",
        title="the data have no known end",
        because="without a length there are no epochs, and what needs a whole pass over the data was not checked",
        evidence=(
            Evidence(name="samples that were read, and more may follow", value=given.samples),
            Evidence(name="batches of them", value=given.batches),
        ),
        remedies=(
            Remedy(text="let a pass end after an epoch, or give the data a __len__ of the batches that a pass holds"),
        ),
    )


def _finding(problem: Problem, part: str, given: Passage) -> Finding:
    counted = "samples, and" in problem.words
    return DATA_UNREADABLE.finding(
        severity="warning" if counted else "error",
        title=problem.title,
        because="steps, schedule and the books of a run are counted in samples that do not come"
        if counted
        else DATA_UNREADABLE.because,
        where=Location(file=problem.file, line=problem.line),
        evidence=(
            Evidence(name=f"what the {part} data gave", value=problem.words),
            Evidence(name="batches read before", value=problem.batch if problem.batch else given.batches),
        ),
        remedies=(Remedy(text=problem.remedy),),
    )


CHECK = Check(
    name="data-readable",
    question="can the loader be read to its end, and again?",
    kinds=(DATA_UNREADABLE, BATCH_NORM_TINY_BATCH),
    examine=examine,
    quick=True,
    seconds=0.5,
)
