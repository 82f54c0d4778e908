"""The nine quiz questions of the guide, with answers of our own: every wrong one leads to what refutes it."""

from __future__ import annotations

from typing import Any

from trainwright.lab.schema import Answer, Link, Question


def _right(text: str, feedback: str) -> Answer:
    return Answer(text=text, right=True, feedback=feedback)


def _wrong(text: str, feedback: str, simulation: str, **values: Any) -> Answer:
    return Answer(
        text=text, right=False, feedback=feedback, link=Link(text="see it", simulation=simulation, values=values)
    )


QUESTIONS: tuple[Question, ...] = (
    Question(
        chapter=0,
        question='Why is training neural networks often called "an art"?',
        answers=(
            _wrong(
                "Because nobody knows the mathematics behind it",
                "The mathematics is known: on a parabola it says to the last digit which rate converges.",
                "learning-rate",
                rate=1.0,
            ),
            _right(
                "Because a wrong choice raises no error, and a single number can decide between success and failure",
                "Yes. The program runs in any case; what is wrong shows in the curves, to those who can read "
                "them, or to "
                "a doctor that does.",
            ),
            _wrong(
                "Because every run gives another result, whatever one does",
                "With the same seed a run is the same, digit by digit. What changes it is a choice.",
                "training-lottery",
                low=0.1,
                middle=0.3,
                high=1.0,
            ),
            _wrong(
                "Because bigger networks always train better",
                "A larger network learns noise by heart: its validation loss rises.",
                "early-stopping",
                width=128,
            ),
        ),
    ),
    Question(
        chapter=1,
        question="Why use the centered difference (f(x+h) - f(x-h)) / 2h instead of the one-sided (f(x+h) - f(x)) / h?",
        answers=(
            _wrong(
                "It needs fewer evaluations of the function",
                "It needs two for every number, where the one-sided formula shares f(x): it is dearer, and better.",
                "gradient-check",
                scheme="one-sided",
            ),
            _right(
                "Its error falls with h², the one-sided one's with h",
                "Yes. The first-order terms of both sides cancel: a tenth of the step is a hundredth of the "
                "error, until "
                "rounding takes over.",
            ),
            _wrong(
                "It has no rounding error, so h can be as small as one likes",
                "Rounding grows as h shrinks, for both: the error over h is a V, and at 1e-11 nothing is left.",
                "gradient-check",
                log_h=-11.5,
            ),
            _wrong(
                "It also works across the kink of a ReLU",
                "Across the kink it mixes the slopes of both sides, and is wrong where the gradient is right.",
                "gradient-check",
                function="relu",
                log_h=-3.0,
            ),
        ),
    ),
    Question(
        chapter=2,
        question="A softmax classifier for ten classes starts with a loss of 7.5. What does that tell?",
        answers=(
            _wrong(
                "Nothing: the first loss is random",
                "It is not: with small logits it is log 10 = 2.303, whatever the seed.",
                "initial-loss",
                classes=10,
            ),
            _right(
                "It should be about 2.3: the network is confident and wrong before it has learnt anything",
                "Yes. Logits that are far too large, from a bad initialisation or inputs that were never scaled.",
            ),
            _wrong(
                "A softmax was applied twice",
                "Two softmaxes also start at 2.3: this check cannot see them. They show in a floor of 1.461.",
                "initial-loss",
                double_softmax=True,
            ),
            _wrong(
                "The regularization is too weak",
                "A penalty adds to the loss; a weak one cannot make it large.",
                "initial-loss",
                penalty=0.001,
            ),
        ),
    ),
    Question(
        chapter=3,
        question="Your training loss is decreasing nicely, but validation loss stopped improving and is now rising. "
        "What's happening?",
        answers=(
            _wrong(
                "The learning rate is too high",
                "Then the training loss would jump about as well.",
                "loss-curves",
                scenario="too-high",
            ),
            _wrong(
                "Underfitting: the model is too small",
                "Then both curves would lie high, together.",
                "loss-curves",
                scenario="underfitting",
            ),
            _right(
                "Overfitting: it learns the training samples by heart",
                "Yes. Stop at the turn, get more data, or make memorising harder.",
            ),
            _wrong(
                "It only needs more training",
                "More training makes it worse: the gap grows with every step.",
                "early-stopping",
                steps=800,
            ),
        ),
    ),
    Question(
        chapter=4,
        question="Your loss oscillates wildly during training, sometimes spiking to very large values. The most likely "
        "cause is:",
        answers=(
            _right(
                "The learning rate is too high",
                "Yes. Each step lands beyond the valley, higher than it started.",
            ),
            _wrong(
                "The learning rate is too low",
                "Too low a rate makes a smooth, nearly level curve.",
                "loss-curves",
                scenario="too-low",
            ),
            _wrong(
                "Too little data",
                "Too little data shows between the curves: training falls, validation rises, both without wild swings.",
                "loss-curves",
                scenario="overfitting",
            ),
            _wrong(
                "A local minimum",
                "In a minimum, local or not, the loss lies still.",
                "loss-landscape",
                rate=0.1,
            ),
        ),
    ),
    Question(
        chapter=5,
        question="What problem does momentum solve that vanilla SGD suffers from?",
        answers=(
            _wrong(
                "It makes any learning rate safe",
                "Momentum diverges too, at much the same rates.",
                "optimizer-race",
                rate=0.05,
            ),
            _wrong(
                "It gives every weight a step length of its own",
                "That is what Adam does. Momentum's first step has exactly SGD's direction.",
                "optimizer-contour",
            ),
            _right(
                "In a long narrow valley SGD swings across and crawls along: momentum cancels the one and "
                "adds up the other",
                "Yes. At an elongation of 100 it needs some 50 steps where SGD needs 345.",
            ),
            _wrong(
                "It removes the noise of mini-batches",
                "It averages over some steps, no more: the path still shakes.",
                "optimizer-race",
                noise=2.0,
            ),
        ),
    ),
    Question(
        chapter=6,
        question="Why do modern training recipes start with a learning rate warmup?",
        answers=(
            _wrong(
                "To make the whole run shorter",
                "A warmup costs steps at a small rate; it is no shortcut.",
                "schedules",
                warmup=50.0,
            ),
            _right(
                "Early gradients are unreliable: long steps on them can throw the network where it does not recover",
                "Yes. A few per cent of the run are enough.",
            ),
            _wrong(
                "Because the rate must end where it started",
                "It ends at zero, whatever the start.",
                "schedules",
                step=False,
                cosine=False,
            ),
            _wrong(
                "To find the best rate on the way",
                "That is the finder's test, which goes on rising until the loss explodes.",
                "rate-finder",
            ),
        ),
    ),
    Question(
        chapter=8,
        question="Why is random search better than grid search for hyperparameter tuning?",
        answers=(
            _wrong(
                "It always finds the best values",
                "It finds good ones sooner, where few hyperparameters matter; nothing finds the best for certain.",
                "grid-vs-random",
                seed=3,
            ),
            _right(
                "Where only few hyperparameters matter, it tries a new value of each with every trial",
                "Yes: with 25 trials 25 values instead of 5. Where all matter alike a grid is as good or a "
                "little better.",
            ),
            _wrong(
                "It learns from earlier trials",
                "It does not: every point is drawn without a look at the others. Samplers such as TPE learn.",
                "grid-vs-random",
                sampler="tpe",
            ),
            _wrong(
                "It is better whatever matters how much",
                "Where both matter alike, the grid comes nearer.",
                "grid-vs-random",
                importance=1.0,
            ),
        ),
    ),
    Question(
        chapter=9,
        question="What's the simplest way to improve a trained model's performance without changing the architecture?",
        answers=(
            _wrong(
                "Train it for longer",
                "After a point it learns the training samples by heart.",
                "early-stopping",
                steps=800,
            ),
            _wrong(
                "Double the learning rate",
                "A rate that was well chosen gets worse, or diverges.",
                "training-lottery",
                low=0.3,
                middle=3.0,
                high=30.0,
            ),
            _right(
                "An ensemble: train several from other seeds, and average their answers",
                "Yes. Its loss is never above that of its members on average.",
            ),
            _wrong(
                "Average the weights of networks that began differently",
                "Their units stand in another order: average the answers. Weights can be averaged along one run.",
                "ensembles",
                members=5,
            ),
        ),
    ),
)
