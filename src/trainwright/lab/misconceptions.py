"""What is widely believed and not so, each with the simulation that refutes it."""

from __future__ import annotations

from trainwright.lab.schema import Link, Misconception

MISCONCEPTIONS: tuple[Misconception, ...] = (
    Misconception(
        belief="A lower learning rate is always safer.",
        truth="Too low a rate learns nothing in the time there is: it fails as surely, and more quietly.",
        source="G0, common misconceptions",
        link=Link(
            text="three rates, the lowest last",
            simulation="training-lottery",
            values={"low": 1e-5, "middle": 1e-4, "high": 0.3},
        ),
        refuted=lambda result: (
            min(result["last validation loss, low"], result["last validation loss, middle"])
            > 1.5 * result["last validation loss, high"]
        ),
    ),
    Misconception(
        belief="More training always means a better model.",
        truth="After a point it learns the training samples by heart, and gets worse on all others.",
        source="G0, common misconceptions",
        link=Link(text="a run that goes on too long", simulation="early-stopping", values={}),
        refuted=lambda result: result["last validation loss"] > 1.5 * result["best validation loss"],
    ),
    Misconception(
        belief="Adam is always better than SGD.",
        truth="Both may fit the training data and differ on all other: which solution is found is the "
        "optimizer's choice.",
        source="G0, common misconceptions",
        link=Link(text="a task that Adam fits and does not learn", simulation="adam-or-sgd", values={}),
        refuted=lambda result: result["errors on test samples, momentum"] < result["errors on test samples, adam"],
    ),
)
