"""Several networks that differ in their seeds alone, and the mean of their answers."""

from __future__ import annotations

import math
import statistics

import torch

from trainwright.lab.controls import claim, fact, line, number, preset, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Series, Simulation, Table, Values, Verdict
from trainwright.lab.tiny import moons, network
from trainwright.lab.training import Plan, trained


def _members(values: Values) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the probabilities of all members for the test samples, `(members, n, 2)`, and the truth."""
    first = int(values["seed"])
    data = moons(int(values["samples"]), first, flipped=float(values["flipped"]))
    x, y = moons(1000, first + 1)
    found = []
    for member in range(int(values["members"])):
        plan = Plan(
            name=f"member {member}",
            make=network(2, 2, width=64, depth=2),
            train=data,
            validation=None,
            settings={
                "lr": 0.02,
                "optimizer": "adamw",
                "schedule": "constant",
                "batch_size": min(32, int(values["samples"])),
                "level": "off",
            },
            steps=int(values["steps"]),
            every=10_000,
            seed=1000 * first + member,
        )
        model = trained(plan).model
        model.eval()
        with torch.no_grad():
            found.append(model(x).double().softmax(1))
    return torch.stack(found), y


def _scores(probabilities: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return the loss and the accuracy of probabilities `(n, 2)`."""
    picked = probabilities.gather(1, y[:, None]).clamp(min=1e-12)
    return float(-picked.log().mean()), float((probabilities.argmax(1) == y).double().mean())


def run(values: Values) -> Result:
    """Train the members, and score them alone and together."""
    probabilities, y = _members(values)
    alone = [_scores(each, y) for each in probabilities]
    together = [_scores(probabilities[: count + 1].mean(0), y) for count in range(len(probabilities))]
    loss, accuracy = together[-1]
    mean_loss, mean_accuracy = (statistics.fmean(each[part] for each in alone) for part in (0, 1))
    gain = 100 * (accuracy - mean_accuracy)
    text = (
        f"{len(alone)} together: loss {loss:.4g} where one has {mean_loss:.4g} on average, accuracy {accuracy:.1%} "
        f"({gain:+.1f} points)"
    )
    counts = [float(count + 1) for count in range(len(alone))]
    return Result(
        verdict=Verdict(sign="healthy" if loss <= mean_loss else "warning", text=text),
        plots=(
            plot(
                "loss on unseen samples",
                Axis(label="members"),
                Axis(label="loss"),
                [
                    line(
                        "the mean of the first ones",
                        [each[0] for each in together],
                        "validation",
                        x=counts,
                        played=True,
                    ),
                    Series(
                        name="each alone",
                        x=tuple(counts),
                        y=tuple(each[0] for each in alone),
                        role="train",
                        style="points",
                    ),
                ],
                keep=(0.0,),
            ),
        ),
        tables=(
            Table(
                title="alone and together",
                columns=("", "loss", "accuracy"),
                rows=(
                    *((f"member {place + 1}", *each) for place, each in enumerate(alone)),
                    ("all together", loss, accuracy),
                ),
            ),
        ),
        evidence=(
            fact("loss together", loss),
            fact("mean loss alone", mean_loss),
            fact("best loss alone", min(each[0] for each in alone)),
            fact("accuracy together", accuracy),
            fact("mean accuracy alone", mean_accuracy),
            fact("gain in accuracy", gain, "points"),
        ),
        python=f"""import torch
import trainwright as tw
from trainwright.lab.tiny import moons, network

train = moons({values["samples"]}, {values["seed"]}, flipped={values["flipped"]!r})
x, y = moons(1000, {int(values["seed"]) + 1})
answers = []
for member in range({values["members"]}):
    torch.manual_seed(member)
    model = network(2, 2, width=64, depth=2)()
    rows = {min(32, int(values["samples"]))}
    tw.fit(model, train, lr=0.02, schedule="constant", batch_size=rows, steps={values["steps"]}, seed=member)
    answers.append(model.eval()(x).softmax(1).detach())
print((torch.stack(answers).mean(0).argmax(1) == y).double().mean().item())
""",
        frames=len(alone),
        frame_label="member",
    )


SIMULATION = Simulation(
    name="ensembles",
    number=26,
    title="Ensembles: the mean of several",
    guide="G2, chapter 9",
    teaches="The mean of several networks' probabilities is never worse than they are on average, in loss: that is a "
    "theorem. How much better depends on how much they differ.",
    parameters=(
        whole("members", "Members", 5, 1, 10),
        whole("samples", "Training samples", 100, 20, 500, log=True),
        number("flipped", "Share of wrong labels", 0.15, 0.0, 0.4, step=0.01),
        whole("steps", "Steps of each", 300, 20, 600, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    seconds=2.0,
    presets=(
        preset("five", "Five members"),
        preset("one", "One member: nothing to gain", members=1),
        preset("clean", "Clean labels: they agree", flipped=0.0),
    ),
    claims=(
        claim(
            "Averaging never makes the loss worse than that of the members on average, and here it makes it "
            "much better.",
            "G2, chapter 9",
            lambda result: result["loss together"] < 0.9 * result["mean loss alone"],
        ),
        claim(
            "Five members gain about a point in accuracy here, and one member nothing; no gain is certain.",
            "G2, chapter 9",
            lambda five, one: five["gain in accuracy"] > 0.5 and one["gain in accuracy"] == 0,
            {},
            {"members": 1},
            as_written="A 5-model ensemble typically improves accuracy by 1–2%.",
        ),
        claim(
            "One member is no ensemble.",
            "G2, chapter 9",
            lambda result: math.isclose(result["loss together"], result["mean loss alone"]),
            {"members": 1},
        ),
    ),
)
