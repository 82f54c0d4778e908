"""Every recommended number once, with its source and, where the sources disagree, the disagreement.

Nothing else in the package repeats one of these numbers. `ALL` lists them for the docs.

Sources: G0 to G4 are the five training guides that this library follows: G0 "Training Deep Networks" (lesson),
G1 "From Gradient Descent to Modern Optimizers", G2 "Training Neural Nets: the Art of Learning", G3 "Training deep
networks" (handbook chapter), G4 "How neural networks learn". "ours" marks a number that was measured or chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Default:
    """One recommended number: what it is for, who says so, and who says otherwise."""

    value: float
    meaning: str
    source: str
    disagreement: str = ""


ADAM_LEARNING_RATE: Final = Default(
    value=3e-4,
    meaning="learning rate of Adam and AdamW",
    source="G2, G3",
    disagreement="G0 says 1e-3, G4 1e-3 in its table and 1e-4 in its text, G3 1e-4 to 5e-4 for AdamW",
)
SGD_LEARNING_RATE: Final = Default(
    value=0.1,
    meaning="learning rate of SGD, with a schedule",
    source="G3",
    disagreement="G2 says 1e-4 to 1e-2, without a schedule",
)
MOMENTUM_LEARNING_RATE: Final = Default(
    value=0.02,
    meaning="learning rate of SGD with momentum",
    source="ours: G3's 0.1 for plain SGD is ten times as long a step once momentum 0.9 has gathered speed",
    disagreement="G3 says 0.1 with a schedule for CNNs, G2 1e-4 to 1e-2",
)
MOMENTUM: Final = Default(value=0.9, meaning="momentum coefficient", source="G2, G4")
ADAM_BETA1: Final = Default(value=0.9, meaning="Adam: decay of the mean of the gradients", source="G2, G4")
ADAM_BETA2: Final = Default(value=0.999, meaning="Adam: decay of the mean of the squared gradients", source="G2, G4")
ADAM_EPSILON: Final = Default(value=1e-8, meaning="Adam: floor of the denominator", source="G2, G4")
WEIGHT_DECAY: Final = Default(
    value=0.01,
    meaning="decoupled weight decay of AdamW; none on biases and normalisation",
    source="G1, G4",
    disagreement="G1 says 1e-4 to 0.01, G4 0.01 to 0.1",
)
WARMUP_FRACTION: Final = Default(
    value=0.05,
    meaning="share of the run in which the learning rate rises linearly to its full value",
    source="G1, G2",
    disagreement="G1 says 1-10 %, G2 5-10 %, G3 some hundreds or thousands of steps",
)
STEP_DECAY_FACTOR: Final = Default(value=0.1, meaning="factor of step decay at each drop", source="G2, G3")
STEP_DECAY_EVERY: Final = Default(
    value=0.3,
    meaning="share of the run between two drops of step decay",
    source="G2: epochs 30, 60, 90 of 100",
)
CLIP_NORM: Final = Default(value=1.0, meaning="largest global norm of the gradient", source="G1, G3")
DROPOUT: Final = Default(
    value=0.1,
    meaning="dropout of the built-in networks",
    source="G0",
    disagreement="G0 says 0.1 to 0.3, G1 0.1 to 0.5",
)
BATCH_SIZE: Final = Default(value=64, meaning="samples in a mini-batch", source="ours", disagreement="G4: 32, 256")
VALIDATION_FRACTION: Final = Default(value=0.15, meaning="share of the data held out to choose by", source="ours")
TEST_FRACTION: Final = Default(value=0.15, meaning="share of the data held out to report by", source="ours")
PLANNED_STEPS: Final = Default(value=3000, meaning="optimizer steps aimed at where epochs are not given", source="ours")
FEWEST_EPOCHS: Final = Default(value=10, meaning="fewest epochs where they are not given", source="ours")
MOST_EPOCHS: Final = Default(value=150, meaning="most epochs where they are not given", source="ours")
PLATEAU_FACTOR: Final = Default(value=0.1, meaning="factor for the rate once the loss is flat", source="G2, chapter 4")

ALL: Final[dict[str, Default]] = {name: value for name, value in list(globals().items()) if isinstance(value, Default)}
