"""What a loop was seen to be fed: in which order, with which randomness, and how fast."""

from __future__ import annotations

from trainwright.doctor.kinds_datasets import DATA_NOT_SHUFFLED, DUPLICATE_WORKER_RANDOMNESS
from trainwright.doctor.kinds_evaluation import SLOW_DATA_LOADING
from trainwright.doctor.loop_seen import at, counted, flag, loop_of, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

SORTED = 0.5
"""Entropy of a batch's labels over that of all; batches of 16 from ten classes have nine tenths of it."""
BATCHES = 8
"""Batches in a row that say so: a class comes, stays over several of them, and gives way to the next."""
EPOCHS = 3
"""Passes in the same order: two may be a check and a run."""
FEWEST_BATCHES = 4
"""Batches in an epoch from which their order means something."""
WAITING = 0.5
"""Share of the time spent waiting."""
FEWEST_STEPS = 16
"""Steps before that is said; the first batch, for which workers start, is not counted."""


def data_not_shuffled(chart: Chart) -> Finding | None:
    """One class after the other; or, where someone shuffles, the same order in every epoch."""
    blocks = often(chart, "labels-in-blocks", fewest=BATCHES, share=0.0)
    entropy = number(blocks, "entropy") if blocks is not None else None
    if blocks is not None and entropy is not None and entropy < SORTED:
        evidence = [Evidence(name="entropy of a batch's labels over that of all", value=entropy, threshold=SORTED)]
        single, batches = number(blocks, "single"), number(blocks, "batches")
        if single is not None and batches is not None:
            evidence.append(Evidence(name="batches that hold one class alone", value=f"{single:g} of {batches:g}"))
        return DATA_NOT_SHUFFLED.finding(
            title="the training data come sorted by label",
            where=place(blocks.where, chart.info.where("data.source", "data")),
            step=blocks.step,
            evidence=tuple(evidence),
            remedies=(
                Remedy(
                    text=f"shuffle: shuffle=True for a DataLoader, a new torch.randperm for each pass{at(blocks.where)}"
                ),
            ),
            confidence=0.9,
        )
    return _same_order(chart)


def _same_order(chart: Chart) -> Finding | None:
    same = often(chart, "batches-in-same-order", fewest=1, share=0.0)
    epochs = (number(same, "epochs") or same.count) if same is not None else 0
    size = chart.info.steps_per_epoch
    if same is None or epochs < EPOCHS or (size is not None and size < FEWEST_BATCHES) or _is_series(chart):
        return None
    deliberate, sampler = flag(same, "deliberate"), word(same, "sampler")
    evidence = [Evidence(name="epochs in the same order", value=epochs, threshold=EPOCHS)]
    if sampler:
        evidence.append(Evidence(name="sampler", value=sampler))
    return DATA_NOT_SHUFFLED.finding(
        severity="note" if deliberate else "warning",
        title="every epoch shows the batches in the same order",
        because="the errors of neighbouring batches repeat from epoch to epoch instead of averaging out",
        where=place(same.where, chart.info.where("data.source", "data")),
        step=same.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text=f"pass shuffle=True to the DataLoader{at(same.where)}; with a sampler, call set_epoch(epoch)"),
        ),
        confidence=0.8,
    )


def _is_series(chart: Chart) -> bool:
    """Say whether the samples may be pieces of a series, whose order is meant: tokens, or anything but labels."""
    calls = chart.info.output.calls if chart.info.output is not None else ()
    tokens = any(call.target is not None and call.target.copied is not None for call in calls)
    return tokens or chart.info.task != "classification"


def duplicate_worker_randomness(chart: Chart) -> Finding | None:
    """Exact: workers that began with the same generator in the same state, drew from it, and ended alike."""
    sighting = often(chart, "worker-randomness-repeated", fewest=1, share=0.0)
    if sighting is None:
        return None
    evidence = [counted(sighting, "workers whose random numbers were those of another worker")]
    source = word(sighting, "generator")
    if source:
        evidence.append(Evidence(name="the generator that they share", value=source))
    return DUPLICATE_WORKER_RANDOMNESS.finding(
        where=place(sighting.where, chart.info.where("data.source", "data")),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text="seed the generator from torch.utils.data.get_worker_info().seed in a worker_init_fn of the "
                f"DataLoader{at(sighting.where)}"
            ),
        ),
    )


def slow_data_loading(chart: Chart) -> Finding | None:
    """The share of the time that the loop waits for batches."""
    loop = loop_of(chart)
    waiting = loop.waiting_fraction
    if waiting is None or not waiting > WAITING or loop.steps < FEWEST_STEPS:
        return None
    return SLOW_DATA_LOADING.finding(
        where=chart.info.where("data.source", "data"),
        step=loop.steps,
        evidence=(Evidence(name="share of the time spent waiting for batches", value=waiting, threshold=WAITING),),
        remedies=(Remedy(text="give the DataLoader num_workers and persistent_workers=True, or keep data in memory"),),
        confidence=0.9,
    )


RULES = (
    Rule(kind=DUPLICATE_WORKER_RANDOMNESS, needs=("loop",), judge=duplicate_worker_randomness),
    Rule(kind=DATA_NOT_SHUFFLED, needs=("loop",), judge=data_not_shuffled),
    Rule(kind=SLOW_DATA_LOADING, needs=("loop",), judge=slow_data_loading),
)
