"""Does the model run in training and in evaluation mode, and is it deterministic in the latter?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn
from torch.utils.data import DataLoader

from trainwright.checks.always_on import Randomness, always_on, randomness
from trainwright.checks.check import Answer, Check
from trainwright.checks.inputs import count, rows
from trainwright.checks.subject import Subject
from trainwright.checks.wiring import as_in_training, few, output_of
from trainwright.doctor.kinds_wiring import BATCH_NORM_TINY_BATCH, DROPOUT_ALWAYS_ON, FAILS_IN_ONE_MODE
from trainwright.errors import first_line
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.vitals.frames import user_frame

TINY = 4
"""Samples in a batch: with so few, batch normalisation cost a ResNet-50 3.7 points, with 8 1.2 (Wu and He 2018)."""


def examine(subject: Subject) -> Answer:
    """Exact: the model is run in both modes, with one sample where a batch will hold one, and under two seeds."""
    x, _ = few(subject)
    evaluated, in_evaluation = _attempt(subject, x, training=False)
    _, in_training = _attempt(subject, x, training=True)
    smallest, what = _smallest_batch(subject)
    norms = _batch_norms(subject.model)
    findings: list[Finding] = []
    tiny = _tiny_batch(subject, x, norms, smallest, what)
    if tiny is not None:
        findings.append(tiny)
    if (in_training is None) != (in_evaluation is None) and not (tiny is not None and tiny.severity == "error"):
        findings.append(_fails(subject, in_training, in_evaluation))
    elif in_training is not None and in_evaluation is not None and tiny is None:
        raise in_evaluation
    found = Randomness() if evaluated is None else randomness(subject, x)
    if found.call is not None:
        findings.append(always_on(found.call, found.difference))
    return Answer(
        findings=tuple(findings),
        measured={
            "runs_in_training": in_training is None,
            "runs_in_evaluation": in_evaluation is None,
            "difference_between_seeds_in_evaluation": found.difference,
            "difference_from_pass_to_pass": found.repeated,
            "batch_norms_in_training": len(norms),
            "smallest_batch": smallest if smallest is not None else "not known",
        },
        value=f"runs in {_runs(in_training, in_evaluation)}; {found.words}",
        expected="runs in both; varies by 0" + (", unless by design" if found.difference and not findings else ""),
    )


def _runs(in_training: BaseException | None, in_evaluation: BaseException | None) -> str:
    names = [name for name, problem in (("training", in_training), ("evaluation", in_evaluation)) if problem is None]
    return "both" if len(names) == 2 else names[0] if names else "neither"


def _attempt(subject: Subject, x: Any, *, training: bool) -> tuple[Any, BaseException | None]:
    """Run the model in one mode and return its output, or what it raised."""
    modes = [(module, module.training) for module in subject.model.modules()]
    try:
        as_in_training(subject.model) if training else subject.model.eval()
        return output_of(subject, x), None
    except (Exception, SystemExit) as problem:  # whatever the user's forward raises
        return None, problem
    finally:
        for module, mode in modes:
            module.training = mode


def _fails(subject: Subject, in_training: BaseException | None, in_evaluation: BaseException | None) -> Finding:
    problem, mode = (in_training, "training") if in_training is not None else (in_evaluation, "evaluation")
    assert problem is not None
    file, line = user_frame(_frames(problem))
    words = str(problem).strip().splitlines()
    return FAILS_IN_ONE_MODE.finding(
        title=f"the model raises in {mode} mode, and only there",
        where=Location(file=file, line=line),
        evidence=(
            Evidence(name="it raises", value=f"{type(problem).__name__}: {words[0] if words else ''}"),
            Evidence(name="samples in the batch", value=count(few(subject)[0])),
        ),
        remedies=(Remedy(text=f"look at what the model does only in {mode} mode: branches on self.training"),),
    )


def _frames(problem: BaseException) -> list[tuple[str, int | None]]:
    frames, trace = [], problem.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return frames


def _batch_norms(model: nn.Module) -> list[str]:
    """Return the batch normalisations that use the statistics of the batch when the model trains."""
    whole = not model.training  # then nothing is known of who will be in which mode, and all will be in training
    return [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (whole or module.training)
    ]


def _smallest_batch(subject: Subject) -> tuple[int | None, str]:
    """Return the number of samples in the smallest batch that training will see, as far as it is known."""
    setting = subject.info.setting("train.batch_size")
    if isinstance(setting, int) and subject.train is not None:
        return min(setting, subject.train.samples), "every batch"
    loader = subject.loader
    size = getattr(loader, "batch_size", None)
    if isinstance(loader, DataLoader) and isinstance(size, int):
        try:
            left = len(loader.dataset) % size  # pyright: ignore[reportArgumentType]  # an iterable one has no length
        except TypeError:
            return size, "every batch"
        if left == 1 and not loader.drop_last and size > 1 and loader.batch_sampler is not None:
            return 1, "the last batch of an epoch"
        return size, "every batch"
    if loader is not None and subject.train is not None and subject.train.samples:
        return subject.train.batch_size, "every batch"
    found = count(subject.x)
    return (found, "the batch that was given") if found <= TINY else (None, "")


def _tiny_batch(subject: Subject, x: Any, norms: list[str], smallest: int | None, what: str) -> Finding | None:
    if not norms or smallest is None or smallest > TINY:
        return None
    problem = _attempt(subject, rows(x, slice(0, 1)), training=True)[1] if smallest == 1 else None
    if smallest == 1 and what.startswith("the last") and problem is None:
        return None  # one small update of the running statistics in an epoch
    evidence = [
        Evidence(name=f"samples in {what}", value=smallest, threshold=TINY),
        Evidence(name="batch normalisations in training mode", value=len(norms)),
    ]
    if problem is not None:
        evidence.append(Evidence(name="with a single sample the model raises", value=first_line(problem)))
    title = f"{what} holds a single sample, and batch normalisation needs several"
    return BATCH_NORM_TINY_BATCH.finding(
        severity="error" if smallest == 1 else "warning",
        title=title if smallest == 1 else BATCH_NORM_TINY_BATCH.title,
        where=replace(subject.info.where("train.batch_size"), module=norms[0] or None),
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="set drop_last=True, so that the last, short batch is left out")
            if what.startswith("the last")
            else Remedy(text="use batches of 16 or more, or GroupNorm or LayerNorm in place of batch normalisation"),
        ),
    )


CHECK = Check(
    name="modes",
    question="does the model run in both modes, and give the same twice in evaluation mode?",
    kinds=(BATCH_NORM_TINY_BATCH, DROPOUT_ALWAYS_ON, FAILS_IN_ONE_MODE),
    examine=examine,
    quick=True,
    seconds=0.05,
)
