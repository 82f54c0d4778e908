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
RMSPROP_LEARNING_RATE: Final = Default(
    value=1e-3,
    meaning="learning rate of RMSProp",
    source="Hinton's lecture 6e, in which it was proposed",
    disagreement="the guides give no number",
)
RMSPROP_DECAY: Final = Default(
    value=0.9,
    meaning="RMSProp: decay of the mean of the squared gradients",
    source="G4",
    disagreement="torch says 0.99",
)
ADAGRAD_LEARNING_RATE: Final = Default(
    value=1e-2,
    meaning="learning rate of AdaGrad, which only shrinks from here",
    source="torch",
    disagreement="the guides give no number",
)
NADAM_MOMENTUM_DECAY: Final = Default(
    value=4e-3, meaning="NAdam: how slowly the momentum warms up from half to beta1", source="Dozat 2016"
)
ADAFACTOR_LEARNING_RATE: Final = Default(
    value=1e-2,
    meaning="Adafactor: largest step, as a share of a weight's size",
    source="Shazeer and Stern 2018",
)
ADAFACTOR_DECAY_EXPONENT: Final = Default(
    value=0.8,
    meaning="Adafactor: c in the decay of the mean of the squared gradients, 1 - t^-c",
    source="Shazeer and Stern 2018",
)
ADAFACTOR_CLIP: Final = Default(
    value=1.0, meaning="Adafactor: largest root mean square of an update", source="Shazeer and Stern 2018"
)
ADAFACTOR_LEAST_SCALE: Final = Default(
    value=1e-3,
    meaning="Adafactor: least size of a weight that steps are measured by, so that zeros can move",
    source="Shazeer and Stern 2018",
)
LION_LEARNING_RATE: Final = Default(
    value=1e-4,
    meaning="learning rate of Lion",
    source="Chen et al. 2023: 3 to 10 times less than AdamW's",
)
LION_BETA2: Final = Default(value=0.99, meaning="Lion: decay of the mean of the gradients", source="Chen et al. 2023")
LION_BETA1: Final = Default(
    value=0.9, meaning="Lion: share of that mean in the direction of a step", source="Chen et al. 2023"
)
LION_WEIGHT_DECAY: Final = Default(
    value=0.03,
    meaning="decoupled weight decay of Lion",
    source="Chen et al. 2023: 3 to 10 times more than AdamW's, so that rate times decay stays as it was",
)
MUON_LEARNING_RATE: Final = Default(
    value=3e-3,
    meaning="learning rate of Muon and of the AdamW beside it",
    source="ours: the best of 3e-4 to 9e-3 on handwritten digits, after 600 steps and after 3000",
    disagreement="Liu et al. 2025 keep AdamW's rate in long runs of large models",
)
MUON_MOMENTUM: Final = Default(value=0.95, meaning="Muon: momentum coefficient", source="Jordan et al. 2024")
MUON_ITERATIONS: Final = Default(
    value=5, meaning="Muon: Newton-Schulz iterations that make a step orthogonal", source="Jordan et al. 2024"
)
LBFGS_LEARNING_RATE: Final = Default(
    value=1.0, meaning="L-BFGS: length that its line search tries first", source="Nocedal and Wright 2006, chapter 3"
)
LBFGS_ITERATIONS: Final = Default(
    value=20, meaning="L-BFGS: most directions searched in a step", source="torch", disagreement="the guides are silent"
)
LBFGS_HISTORY: Final = Default(
    value=10,
    meaning="L-BFGS: steps remembered to model the curvature by",
    source="Nocedal and Wright 2006, chapter 7: 3 to 20",
    disagreement="torch says 100, a hundred copies of the model",
)
SCHEDULE_FREE_LEARNING_RATE: Final = Default(
    value=2.5e-3,
    meaning="learning rate of schedule-free AdamW",
    source="Defazio et al. 2024: 1 to 10 times that of AdamW with a schedule",
)
SCHEDULE_FREE_SGD_LEARNING_RATE: Final = Default(
    value=1.0,
    meaning="learning rate of schedule-free SGD",
    source="Defazio et al. 2024: 10 to 50 times that of SGD with a schedule",
)
LAYER_DECAY: Final = Default(
    value=1.0,
    meaning="factor on the learning rate for each layer further from the output; 1 trains all layers alike",
    source="ours: off",
    disagreement="0.65 to 0.9 where a pretrained transformer is fine-tuned (Clark et al. 2020; Bao et al. 2022)",
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
UPDATES_PER_EPOCH: Final = Default(
    value=50,
    meaning="fewest updates in an epoch that a batch size found by trial may leave",
    source="ours: 60 epochs of them are the 3000 steps that a run aims at; samples beyond what the noise of the "
    "gradient asks for only cost updates (McCandlish et al. 2018)",
)
SMALLEST_FOUND_BATCH: Final = Default(
    value=8,
    meaning="samples in a batch that are worth having whatever updates they leave, where they fit into memory",
    source="ours: a mean over fewer is noise, to batch normalisation too (Wu and He 2018)",
)
MEMORY_MARGIN: Final = Default(
    value=0.2,
    meaning="share of the free memory that a batch size found by trial leaves free",
    source="ours: evaluation, fragments, and what libraries take past the tensors that are counted",
)
TRIAL_STEPS: Final = Default(
    value=3,
    meaning="training steps that a batch size is tried with",
    source="ours: the first makes the optimizer's state, from the second on a step takes what it always takes",
)
VALIDATION_FRACTION: Final = Default(value=0.15, meaning="share of the data held out to choose by", source="ours")
TEST_FRACTION: Final = Default(value=0.15, meaning="share of the data held out to report by", source="ours")
CONTEXT: Final = Default(value=64, meaning="characters of a text in one sample", source="ours: nanoGPT's small recipe")
MLP_LEARNING_RATE: Final = Default(
    value=1e-3,
    meaning="AdamW's rate for a small fully connected network trained from the start",
    source="G0, G4; ours: better on validation than 3e-4 on every table tried",
    disagreement="G2, G3: 3e-4",
)
TABLE_LEARNING_RATE: Final = Default(
    value=2e-3,
    meaning="AdamW's rate for the network for tables",
    source="ours: best of 1e-3 to 3e-3 on validation, over two large tables and four small ones",
)
CONVOLUTION_LEARNING_RATE: Final = Default(
    value=5e-3,
    meaning="AdamW's rate for small convolutional networks with batch normalisation, which bears so high a rate",
    source="ours: best of 1e-3 to 1e-2 on validation images of clothes",
)
CONVOLUTION_WEIGHT_DECAY: Final = Default(
    value=0.1,
    meaning="AdamW's weight decay for small convolutional networks: it takes the place of dropout",
    source="G4; ours: on validation, ten times G1's",
)
CONVOLUTION_BATCH_SIZE: Final = Default(
    value=128, meaning="images in a batch: keeps the cores busier than 64", source="ours; G4: 32, 256"
)
DECODER_LEARNING_RATE: Final = Default(
    value=3e-3,
    meaning="AdamW's rate for a small decoder of text trained from the start",
    source="ours: best of 1e-3 to 6e-3 on validation text",
    disagreement="G3: 1e-4 to 5e-4, which suits networks a thousand times as large",
)
DECODER_WEIGHT_DECAY: Final = Default(
    value=0.1, meaning="AdamW's weight decay for a decoder of text", source="G4: 0.01 to 0.1"
)
DECODER_EMBEDDING_STD: Final = Default(
    value=0.1,
    meaning="standard deviation of a decoder's embeddings, where the output layer has weights of its own",
    source="ours: 1.70 instead of 1.72 nats after 2,000 steps on validation text",
    disagreement="0.02 in GPT-2, whose output layer shares them",
)
DECODER_BATCH_SIZE: Final = Default(value=16, meaning="windows of text in a batch", source="ours")
DECODER_STEPS: Final = Default(
    value=3000, meaning="updates of a decoder: a text has too many windows to count by epochs", source="ours"
)
PLANNED_STEPS: Final = Default(value=3000, meaning="optimizer steps aimed at where epochs are not given", source="ours")
FEWEST_EPOCHS: Final = Default(value=10, meaning="fewest epochs where they are not given", source="ours")
MOST_EPOCHS: Final = Default(value=150, meaning="most epochs where they are not given", source="ours")
PLATEAU_FACTOR: Final = Default(value=0.1, meaning="factor for the rate once the loss is flat", source="G2, chapter 4")
SCHEDULE_FLOOR: Final = Default(
    value=0.0, meaning="share of the rate that is left at the end", source="G2: cosine decay to zero"
)
EXPONENTIAL_FINAL: Final = Default(
    value=1e-3,
    meaning="share of the rate that exponential decay leaves at the end",
    source="ours: where step decay ends, three drops by 0.1",
)
POLYNOMIAL_POWER: Final = Default(
    value=2.0,
    meaning="power of polynomial decay; 1 is linear",
    source="You, Gitman and Ginsburg 2017 (LARS)",
    disagreement="Chen et al. 2018 (DeepLab) take 0.9",
)
ONE_CYCLE_RISE: Final = Default(
    value=0.3,
    meaning="share of the run in which one-cycle rises to its peak",
    source="torch's OneCycleLR",
    disagreement="Smith and Topin 2018: somewhat under a half, fastai 0.25",
)
ONE_CYCLE_START_DIVISOR: Final = Default(
    value=25.0,
    meaning="one-cycle starts at the peak rate over this",
    source="torch's OneCycleLR, fastai",
    disagreement="Smith and Topin 2018: about 10",
)
ONE_CYCLE_FINAL_DIVISOR: Final = Default(
    value=1e4,
    meaning="one-cycle ends at its start over this",
    source="G3: well below the starting value; the number is torch's OneCycleLR's",
    disagreement="Smith and Topin 2018: several orders of magnitude",
)
ONE_CYCLE_HIGH_MOMENTUM: Final = Default(
    value=0.95, meaning="momentum where one-cycle's rate is lowest", source="Smith 2018, torch's OneCycleLR"
)
ONE_CYCLE_LOW_MOMENTUM: Final = Default(
    value=0.85, meaning="momentum where one-cycle's rate is highest", source="Smith 2018, torch's OneCycleLR"
)
CYCLES: Final = Default(
    value=5,
    meaning="cycles of a cyclic schedule, each ending low enough to keep a snapshot",
    source="Huang et al. 2017 (snapshot ensembles): 5 or 6",
)
CYCLE_GROWTH: Final = Default(
    value=1.0,
    meaning="how much longer each cycle is than the one before",
    source="Huang et al. 2017 (snapshot ensembles)",
    disagreement="Loshchilov and Hutter 2017 (warm restarts) prefer 2",
)
TRIANGLE_FLOOR: Final = Default(
    value=0.25,
    meaning="share of the rate at the foot of each triangle",
    source="Smith 2017: a third or a quarter of the peak",
)
TRIANGLE_SWING: Final = Default(
    value=1.0,
    meaning="factor of the swing from one triangle to the next",
    source="Smith 2017 (triangular)",
    disagreement="0.5 in its triangular2",
)
STABLE_DECAY: Final = Default(
    value=0.2,
    meaning="share of the run in which warmup-stable-decay comes down",
    source="Hägele et al. 2024: 10 to 20 %",
    disagreement="Hu et al. 2024 (MiniCPM): 10 %",
)
PLATEAU_PATIENCE: Final = Default(
    value=5,
    meaning="evaluations in a row without improvement after which the rate is lowered",
    source="ours: an evaluation an epoch, and runs of ten epochs and more",
    disagreement="torch and Keras wait for 10 epochs",
)
PLATEAU_THRESHOLD: Final = Default(
    value=1e-4, meaning="least improvement that counts, relative to the best score", source="torch's ReduceLROnPlateau"
)
PLATEAU_COOLDOWN: Final = Default(
    value=0,
    meaning="evaluations after a lowering that do not count",
    source="torch's ReduceLROnPlateau",
)
PLATEAU_FLOOR: Final = Default(
    value=1e-4,
    meaning="share of the rate below which it is not lowered",
    source="ours: four drops by 0.1; beyond, nothing moves",
)
FLIP: Final = Default(
    value=0.5,
    meaning="probability that an image is mirrored left to right",
    source="Krizhevsky et al. 2012",
)
ROTATE: Final = Default(
    value=10.0, meaning="largest angle in degrees by which an image is turned", source="ours: what a hand would do"
)
SCALE: Final = Default(
    value=0.1, meaning="largest share by which an image is magnified or shrunk", source="ours: what a hand would do"
)
SHIFT: Final = Default(
    value=2,
    meaning="most pixels by which an image is moved, in both directions",
    source="ours: for images of 28 pixels",
    disagreement="He et al. 2016 take 4 of 32",
)
BRIGHTNESS: Final = Default(
    value=0.2, meaning="largest share by which brightness changes", source="ours", disagreement="SimCLR takes up to 0.8"
)
CONTRAST: Final = Default(
    value=0.2, meaning="largest share by which contrast changes", source="ours", disagreement="SimCLR takes up to 0.8"
)
NOISE: Final = Default(
    value=0.1, meaning="standard deviation of the noise added to standardised inputs", source="ours: a tenth of theirs"
)
ERASE: Final = Default(
    value=0.5, meaning="probability that a rectangle of an image is erased", source="Zhong et al. 2020"
)
MIXUP: Final = Default(
    value=0.2,
    meaning="alpha of the Beta that pairs of samples are blended by",
    source="Zhang et al. 2018: 0.1 to 0.4 on ImageNet",
    disagreement="1 on CIFAR, in the same paper",
)
CUTMIX: Final = Default(
    value=1.0, meaning="alpha of the Beta that the pasted share of images is drawn from", source="Yun et al. 2019"
)
LAST_LAYER_GAIN: Final = Default(
    value=0.1,
    meaning="multiple of Glorot's initialisation for the last layer",
    source="ours: with small logits the loss of an untrained network is log C, as G2, chapter 2, expects",
)
TRUNCATED_NORMAL_STD: Final = Default(
    value=0.02,
    meaning="standard deviation of weights drawn from the truncated normal, and of embeddings",
    source="Devlin et al. 2018 (BERT); Radford et al. 2019 (GPT-2)",
)
NORM_GROUPS: Final = Default(value=32, meaning="most groups of group normalisation", source="Wu and He 2018")
NORM_GROUP_CHANNELS: Final = Default(
    value=4,
    meaning="fewest channels in a group of group normalisation",
    source="ours",
    disagreement="Wu and He 2018: 16; ours are networks with few channels",
)
LABEL_SMOOTHING: Final = Default(
    value=0.1, meaning="label smoothing of cross_entropy, where it is asked for", source="G3"
)
HUBER_DELTA: Final = Default(
    value=1.0,
    meaning="Huber: error at which the loss turns from a square to a line",
    source="torch",
    disagreement="G4: a tunable threshold",
)
SMOOTH_L1_BETA: Final = Default(
    value=1.0, meaning="smooth L1: error at which the loss turns from a square to a line", source="G3, torch"
)
FOCAL_GAMMA: Final = Default(
    value=2.0, meaning="focal loss: how strongly easy samples are played down", source="Lin et al. 2017"
)
FOCAL_ALPHA: Final = Default(
    value=0.25,
    meaning="focal loss: weight of yes against no, where it is asked for",
    source="Lin et al. 2017, with gamma 2",
)

ALL: Final[dict[str, Default]] = {name: value for name, value in list(globals().items()) if isinstance(value, Default)}
