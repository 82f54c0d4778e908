"""The training loop, step by step, and what happens to it when one of its lines is missing or in the wrong place.

The loop is a program like any user's: its source is put together from the switches, run under the library's watcher,
and shown as it is. What is said of it is what the doctor says of anybody's loop.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from trainwright.doctor.kinds import find_kind
from trainwright.lab.controls import claim, fact, line, preset, seed, switch, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Link, Result, Sign, Simulation, Step, Table, Values, Verdict
from trainwright.randomness import isolated
from trainwright.tensors import computing_with
from trainwright.watching.watch import watch

BUGS = {
    "no_zero_grad": "gradients are not cleared: no zero_grad()",
    "clip_early": "clipping before backward",
    "scheduler_per_batch": "the scheduler stepped per batch",
    "no_eval": "evaluated in training mode: no eval()",
}
SAMPLES, BATCH = 160, 16


def source(values: Values, bugs: tuple[str, ...]) -> str:
    """Return the program: a loop as it stands in most repositories, with the chosen faults."""
    epochs = int(values["epochs"])
    clip = "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)"
    early, late = ("clip_early" in bugs), ("clip_early" not in bugs)
    per_batch = "scheduler_per_batch" in bugs
    lines = [
        "import torch",
        "from torch import nn",
        "from torch.nn import functional as F",
        "",
        "from trainwright.lab.tiny import moons",
        "",
        f"torch.manual_seed({values['seed']})",
        f"x, y = moons({SAMPLES}, {values['seed']})",
        f"x_val, y_val = moons({SAMPLES}, {int(values['seed']) + 1})",
        "model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))",
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.5)",
        f"scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size={max(epochs // 3, 1)}, gamma=0.1)",
        "losses, validation = [], []",
        f"for epoch in range({epochs}):",
        "    model.train()",
        f"    for rows in torch.randperm({SAMPLES}).split({BATCH}):",
        "        output = model(x[rows])",
        "        loss = F.cross_entropy(output, y[rows])",
        *([] if "no_zero_grad" in bugs else ["        optimizer.zero_grad()"]),
        *([f"        {clip}"] if early else []),
        "        loss.backward()",
        *([f"        {clip}"] if late else []),
        "        optimizer.step()",
        *(["        scheduler.step()"] if per_batch else []),
        "        losses.append(loss.item())",
        *([] if per_batch else ["    scheduler.step()"]),
        *([] if "no_eval" in bugs else ["    model.eval()"]),
        "    with torch.no_grad():",
        "        outputs = torch.cat([model(part) for part in x_val.split(40)])",
        "        validation.append(F.cross_entropy(outputs, y_val).item())",
    ]
    return "\n".join(lines) + "\n"


def _carried_out(text: str, first: int) -> tuple[dict[str, Any], list[Any]]:
    """Run a program under the watcher; return its names, and what the doctor found."""
    names: dict[str, Any] = {}
    with isolated(first), computing_with(1), torch.enable_grad():
        with watch(quiet=True) as watched:
            exec(compile(text, "training_loop.py", "exec"), names)
        return names, watched.findings


def _first_step(values: Values) -> tuple[Step, ...]:
    """Return the six steps of the first batch with the numbers that they give."""
    text = source(values, ()).split(f"for epoch in range({values['epochs']})")[0]
    names: dict[str, Any] = {}
    with isolated(int(values["seed"])), torch.enable_grad():
        exec(compile(text, "training_loop.py", "exec"), names)
        model, optimizer = names["model"], names["optimizer"]
        x, y = names["x"][:BATCH], names["y"][:BATCH]
        before = torch.cat([each.detach().reshape(-1).clone() for each in model.parameters()])
        output = model(x)
        loss = torch.nn.functional.cross_entropy(output, y)
        optimizer.zero_grad()
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        clipped = min(norm, 1.0)
        optimizer.step()
        after = torch.cat([each.detach().reshape(-1) for each in model.parameters()])
    shape = " × ".join(map(str, output.shape))
    moved = float((after - before).norm())
    return (
        Step(title="1 forward pass", text="the batch goes through the network", worked=f"predictions of shape {shape}"),
        Step(
            title="2 loss",
            text="one number for how wrong it is",
            formula="L = cross_entropy(ŷ, y)",
            worked=f"{loss.item():.4f}, where guessing gives log 2 = {math.log(2):.4f}",
            numbers=(fact("loss of the first batch", loss.item()),),
        ),
        Step(
            title="3 zero gradients",
            text="clear what earlier batches left: PyTorch adds up",
            formula="g ← 0",
            links=(Link(text="leave it out", simulation="training-loop", values={"no_zero_grad": True}),),
        ),
        Step(
            title="4 backward pass",
            text="the chain rule gives the gradient of the loss for every weight",
            formula="g ← ∂L/∂w",
            worked=f"global norm {norm:.4f}",
            numbers=(fact("gradient norm", norm),),
        ),
        Step(
            title="5 clip gradients",
            text="a norm above 1 is scaled down, the direction stays",
            formula="g ← g · min(1, 1/‖g‖)",
            worked=f"{norm:.4f} → {clipped:.4f}",
            numbers=(fact("clipped norm", clipped),),
            links=(Link(text="clip too early", simulation="training-loop", values={"clip_early": True}),),
        ),
        Step(
            title="6 update weights",
            text="the optimizer moves every weight; then the next batch, from step 1",
            formula="w ← w − η g",
            worked=f"‖Δw‖ = 0.5 · {clipped:.4f} = {moved:.4f}",
            numbers=(fact("length of the update", moved),),
        ),
    )


def run(values: Values) -> Result:
    """Run the loop with the chosen faults beside the right one, and let the doctor look at it."""
    bugs = tuple(name for name in BUGS if values[name])
    first = int(values["seed"])
    text = source(values, bugs)
    names, found = _carried_out(text, first)
    told = [finding for finding in found if finding.severity != "note"]
    sign: Sign = told[0].severity if told else "healthy"
    said = "; ".join(f"{finding.code} {finding.title}" for finding in told[:3])
    per_epoch = SAMPLES // BATCH
    ends = [float(per_epoch * (epoch + 1)) for epoch in range(len(names["validation"]))]
    series = [
        line("training loss", names["losses"], "train", played=True),
        line("validation loss", names["validation"], "validation", x=ends, dash="dashed", played=True),
    ]
    if bugs:
        sound, _ = _carried_out(source(values, ()), first)
        series.append(
            line("validation loss of the right loop", sound["validation"], "reference", x=ends, dash="dotted")
        )
    verdict = Verdict(sign=sign, text=said or "the loop is right: six steps, in this order, for every batch")
    if bugs and not told:
        verdict = Verdict(sign="note", text=f"{BUGS[bugs[0]]}, and in so short a run it does not show")
    return Result(
        verdict=verdict,
        plots=(
            plot("the loss should fall", Axis(label="step"), Axis(label="loss"), series, keep=(0.0, 1.0), most=5.0),
        ),
        steps=_first_step(values),
        tables=(
            Table(
                title="what the doctor says",
                columns=("code", "what", "because", "line"),
                rows=tuple((each.code, each.title, each.because, each.where.line) for each in told),
                signs=tuple(each.severity for each in told),
            ),
        )
        if told
        else (),
        evidence=(
            fact("findings", ", ".join(finding.kind for finding in told) or "none"),
            fact("first training loss", names["losses"][0]),
            fact("last validation loss", names["validation"][-1]),
            fact("steps", len(names["losses"])),
            *(fact(f"explained as {finding.code}", find_kind(finding.code).title) for finding in told[:3]),
        ),
        python=text,
        frames=6,
        frame_label="part of the step",
        loops=f"back to 1 for the next batch: {per_epoch} times an epoch",
    )


SIMULATION = Simulation(
    name="training-loop",
    number=1,
    title="The training loop",
    guide="G0 and G1, the training loop",
    teaches="Six steps, in this order, for every batch. A missing line raises no error: the curve looks a "
    "little worse, and "
    "only somebody who watches the loop can say why.",
    parameters=(
        switch("no_zero_grad", "Leave out zero_grad()"),
        switch("clip_early", "Clip before backward()"),
        switch("scheduler_per_batch", "Step the scheduler per batch"),
        switch("no_eval", "Leave out eval()"),
        whole("epochs", "Epochs", 12, 3, 60, unit="epochs"),
        seed(),
    ),
    run=run,
    seconds=1.0,
    presets=(
        preset("right", "As it should be"),
        *(preset(name.replace("_", "-"), label[0].upper() + label[1:], **{name: True}) for name, label in BUGS.items()),
    ),
    claims=(
        claim(
            "With the six steps in this order the loss falls, and there is nothing to find.",
            "G1, the training loop",
            lambda result: result["findings"] == "none" and result["last validation loss"] < 0.5,
        ),
        claim(
            "Without zero_grad() gradients accumulate silently across iterations.",
            "G3, common pitfalls",
            lambda result: "missing-zero-grad" in result["findings"],
            {"no_zero_grad": True},
        ),
        claim(
            "Clipping before the backward pass clips nothing.",
            "G1, the training loop",
            lambda result: "clipping-without-effect" in result["findings"],
            {"clip_early": True},
        ),
        claim(
            "A per-epoch scheduler that is called every batch decays the rate far too fast.",
            "G3, common pitfalls",
            lambda result: "scheduler-wrong-frequency" in result["findings"],
            {"scheduler_per_batch": True},
        ),
        claim(
            "Without model.eval() dropout remains active during evaluation.",
            "G3, common pitfalls",
            lambda result: "evaluating-in-train-mode" in result["findings"],
            {"no_eval": True},
        ),
    ),
)
