"""What of the model takes part in learning, as a loop was seen to use it. Exact identities and provenance."""

from __future__ import annotations

from dataclasses import replace

from trainwright.doctor import model_start
from trainwright.doctor.kinds_evaluation import WEIGHTS_NOT_LOADED
from trainwright.doctor.kinds_start import PENALTY_INERT
from trainwright.doctor.kinds_wiring import (
    BATCH_NORM_TINY_BATCH,
    LOSS_DETACHED,
    PARAMETERS_FROZEN,
    PARAMETERS_WITHOUT_GRADIENT,
    UNREGISTERED_SUBMODULE,
)
from trainwright.doctor.loop_seen import at, counted, loop_of, named, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

TINY = 4
"""Samples, up to which mean and variance are noise: the positions of one picture are much alike."""
MOST_MISSING = 0.5
"""Share of the keys: a new head on an old body misses fewer."""
ALWAYS = 1.0
"""A part that is idle now and then (an expert, a layer that is dropped) has gradients at other steps."""


def loss_without_graph(chart: Chart) -> Finding | None:
    """Exact: the backward pass was refused, as nothing leads from the loss to a weight."""
    sighting = often(chart, "loss-without-graph", fewest=1, share=0.0)
    if sighting is None:
        return None
    operation = word(sighting, "operation")
    evidence = [counted(sighting, "backward passes that were refused")]
    if operation:
        evidence.append(Evidence(name="what cut the graph", value=operation))
    return LOSS_DETACHED.finding(
        where=place(sighting.where, loop_of(chart).loss_where),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"take {operation or 'what cuts it'} off the way to the loss{at(sighting.where)}"),),
    )


def penalty_without_gradient(chart: Chart) -> Finding | None:
    """Exact to rounding: what is added to the loss is a multiple of a norm of the weights, and has no graph."""
    sighting = loop_of(chart).seen("penalty-without-gradient")
    if sighting is None:
        return None
    return PENALTY_INERT.finding(
        title="the penalty on the weights does nothing",
        because="its value is added to the loss, but no graph leads from it to the weights, so they are trained as if "
        "it were not there",
        where=place(sighting.where, loop_of(chart).loss_where),
        step=sighting.step,
        evidence=(
            Evidence(name="what it adds to the loss", value=number(sighting, "part") or 0.0),
            Evidence(
                name=f"the same in the sum of {word(sighting, 'sum')} of {word(sighting, 'of')}, at each of the steps",
                value=number(sighting, "multiple") or 0.0,
            ),
            Evidence(name="steps that were compared", value=sighting.count),
        ),
        remedies=(
            Remedy(text="compute it from the parameters themselves, without .data, .item(), detach() or no_grad"),
        ),
    )


def unregistered_submodule(chart: Chart) -> Finding | None:
    """Exact: parameters that got gradients, and are in no module and in no optimizer."""
    sighting = often(chart, "parameters-unregistered", fewest=1)
    if sighting is None:
        return None
    module, attribute = word(sighting, "module", sighting.where.module or ""), word(sighting, "attribute")
    evidence = [counted(sighting, "steps at which they got gradients"), *named(sighting)]
    text = "keep layers in nn.ModuleList or nn.ModuleDict, single weights in nn.Parameter"
    if attribute:
        evidence.append(Evidence(name="held in", value=f"{module}.{attribute}" if module else attribute))
        text = f"make self.{attribute} an nn.ModuleList (or nn.ModuleDict, nn.Parameter){at(sighting.where)}"
    return UNREGISTERED_SUBMODULE.finding(
        where=replace(sighting.where, module=module or None),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=text),),
    )


def parameters_frozen(chart: Chart) -> Finding | None:
    """Exact. An error where the optimizer has nothing else to train; a frozen group beside others may be meant."""
    sighting = often(chart, "parameters-frozen", fewest=1)
    if sighting is None:
        return _frozen_as_made(chart)
    trainable = number(sighting, "trainable")
    if trainable is None and all(len(optimizer.groups) < 2 for optimizer in loop_of(chart).optimizers):
        trainable = 0
    nothing = not trainable
    evidence = [*named(sighting), Evidence(name="parameters of the optimizer that do learn", value=trainable or 0)]
    return PARAMETERS_FROZEN.finding(
        severity="error" if nothing else "note",
        title="the optimizer holds nothing but frozen parameters" if nothing else "a group of the optimizer is frozen",
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="set requires_grad_(True) on what is to learn, before the optimizer is built")
            if nothing
            else Remedy(text=f"if they are not to learn, leave them out of the optimizer{at(sighting.where)}"),
        ),
    )


def _frozen_as_made(chart: Chart) -> Finding | None:
    """Exact in its facts; random layers that are to stay random are rare, and are left out of the optimizer."""
    sighting = often(chart, "layers-frozen-as-made", fewest=2)
    if sighting is None:
        return None
    evidence = [Evidence(name="frozen layers, never loaded and never trained", value=number(sighting, "count") or 1)]
    if names := word(sighting, "names"):
        evidence.append(Evidence(name="among them", value=names))
    return PARAMETERS_FROZEN.finding(
        severity="warning",
        title="layers are frozen with the random weights that they were made with",
        because="what is frozen is meant to know something already; these were given to the optimizer, and hold what "
        "their constructor drew by chance",
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text="see whether the condition that freezes them takes in more names than it should"),
            Remedy(text=f"if they are to stay random, leave them out of the optimizer{at(sighting.where)}"),
        ),
        confidence=0.9,
    )


def parameters_without_gradient(chart: Chart) -> Finding | None:
    """Exact: what they give goes on without its graph. Where it was seen to go nowhere, nobody uses them: a note."""
    sighting = often(chart, "parameters-without-gradient", fewest=1, share=ALWAYS)
    if sighting is None:
        return parameters_behind_flat_operation(chart)
    feeds = sighting.facts.get("feeds") is not False
    return PARAMETERS_WITHOUT_GRADIENT.finding(
        severity="error" if feeds else "note",
        title=PARAMETERS_WITHOUT_GRADIENT.title if feeds else "parameters are computed with, and get no gradient",
        because=PARAMETERS_WITHOUT_GRADIENT.because
        if feeds
        else "what they give leads to no loss: it is unused, or the graph is cut behind it",
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, "steps at which their modules ran without getting a gradient"), *named(sighting)),
        remedies=(
            Remedy(
                text="remove the .detach(), .data, .item(), .numpy() or argmax between them and the loss"
                f"{at(sighting.where)}; or leave them out, if they are not to learn"
            ),
        ),
    )


def parameters_behind_flat_operation(chart: Chart) -> Finding | None:
    """Exact: every way from the loss to them leads through an operation whose derivative is zero."""
    sighting = often(chart, "parameters-behind-flat-operation")
    if sighting is None:
        return None
    operation = word(sighting, "operation", "the operation")
    return PARAMETERS_WITHOUT_GRADIENT.finding(
        title=f"{operation} lets no gradient through to parameters",
        because=f"the derivative of {operation} is zero wherever it has one, so that nothing in front of it learns",
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, "backward passes that reach them through it alone"), *named(sighting)),
        remedies=(
            Remedy(text=f"pass the gradient straight through: z + ({operation}(z) - z).detach(){at(sighting.where)}"),
        ),
    )


def batch_norm_tiny_batch(chart: Chart) -> Finding | None:
    """Exact: how many samples a batch had. One has no variance; a short last batch of a few is not judged."""
    sighting = loop_of(chart).seen("batch-of-one-normalised")
    samples = number(sighting, "samples") if sighting is not None else None
    if sighting is None or samples is None or samples > TINY or sighting.count < 1:
        return None
    alone, values = samples <= 1, number(sighting, "values")
    if not alone and often(chart, "batch-of-one-normalised") is None:
        return None
    return BATCH_NORM_TINY_BATCH.finding(
        severity="error" if alone else "warning",
        title="batch normalisation sees a single sample" if alone else BATCH_NORM_TINY_BATCH.title,
        because="a sample less its own mean has lost what told it from the others"
        if alone
        else BATCH_NORM_TINY_BATCH.because,
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="samples in a batch", value=samples, threshold=1 if alone else TINY),
            counted(sighting, "batches with so few, over all such layers"),
            *([] if values is None else [Evidence(name="values of each channel in it", value=values)]),
        ),
        remedies=(
            Remedy(text="use GroupNorm or LayerNorm, or larger batches; drop_last=True drops a short last batch"),
        ),
    )


def weights_not_loaded(chart: Chart) -> Finding | None:
    """Exact counts of keys; loading a small part on purpose (an adapter) leaves no key over that fits nowhere."""
    sighting = often(chart, "keys-not-loaded", fewest=1, share=0.0)
    if sighting is None:
        return weights_loaded_in_vain(chart)
    missing, total, unexpected = (number(sighting, fact) for fact in ("missing", "total", "unexpected"))
    if not missing or not total or missing > total:
        return None
    renamed = missing == total if unexpected is None else unexpected > 0
    if missing <= MOST_MISSING * total or not renamed:
        return None
    evidence = [
        Evidence(name=f"keys that were not found, of {total:g}", value=missing, threshold=MOST_MISSING * total),
    ]
    if unexpected is not None:
        evidence.append(Evidence(name="keys of what was loaded that fit nowhere", value=unexpected, threshold=0))
    if names := word(sighting, "names"):
        evidence.append(Evidence(name="among them", value=names))
    nothing = missing == total
    return WEIGHTS_NOT_LOADED.finding(
        title="no weight at all was loaded" if nothing else WEIGHTS_NOT_LOADED.title,
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(Remedy(text=f"load with strict=True{at(sighting.where)} and mend the names that it complains of"),),
        confidence=1.0 if nothing else 0.9,
    )


def weights_loaded_in_vain(chart: Chart) -> Finding | None:
    """Exact: fresh weights were loaded, and drawn again before any step; or what was loaded was their own memory."""
    loop = loop_of(chart)
    drawn, own = loop.seen("weights-drawn-after-loading"), loop.seen("weights-loaded-onto-themselves")
    sighting = drawn or own
    if sighting is None:
        return None
    total, count = number(sighting, "total") or 0, number(sighting, "count") or 0
    return WEIGHTS_NOT_LOADED.finding(
        title="the weights are drawn again after they were loaded" if drawn else "no weight at all was loaded",
        because="an initialisation that runs over the whole model leaves nothing of what was loaded"
        if drawn
        else "what was loaded is the model's own state: nothing of what was saved had a name that is in it",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(
                name=f"weight matrices {'drawn after it' if drawn else 'loaded onto themselves'}, of {total:g}",
                value=count,
                threshold=0,
            ),
            *([Evidence(name="the line that draws them", value=line)] if (line := number(sighting, "line")) else []),
        ),
        remedies=(
            Remedy(
                text=f"initialise first and load afterwards{at(sighting.where)}"
                if drawn
                else f"compare the names of both before{at(sighting.where)}: a prefix such as 'module.' fits nowhere"
            ),
        ),
    )


RULES = (
    Rule(kind=PENALTY_INERT, needs=("loop",), judge=penalty_without_gradient),
    *model_start.RULES,
    Rule(kind=UNREGISTERED_SUBMODULE, needs=("loop",), judge=unregistered_submodule),
    Rule(kind=PARAMETERS_FROZEN, needs=("loop",), judge=parameters_frozen),
    Rule(kind=PARAMETERS_WITHOUT_GRADIENT, needs=("loop",), judge=parameters_without_gradient),
    Rule(kind=WEIGHTS_NOT_LOADED, needs=("loop",), judge=weights_not_loaded),
    Rule(kind=BATCH_NORM_TINY_BATCH, needs=("loop",), judge=batch_norm_tiny_batch),
)
