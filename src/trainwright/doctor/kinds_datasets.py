"""Diagnoses of how data are ordered, divided, prepared and labelled."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

DATA_NOT_SHUFFLED = Kind(
    code="TW103",
    kind="data-not-shuffled",
    severity="warning",
    title="the training data are not shuffled",
    because="a batch then shows one class after the other, so each step unlearns what the one before has learnt; the "
    "gradient of a batch is an estimate of the whole's only where its samples are drawn at random",
    what="The labels of a training pass come sorted, or in stretches longer than a batch; or every epoch has the same "
    "order.",
    hurts="The network drifts towards whatever class the current batches hold, batch normalisation sees the statistics "
    "of one class at a time, and the last class of the pass wins. With one order for all epochs the errors of "
    "neighbouring batches repeat instead of averaging out.",
    fix="Pass `shuffle=True` to the DataLoader. A sampler of your own must draw a new order in every `__iter__`; a "
    "DistributedSampler needs `sampler.set_epoch(epoch)`.",
    wrong_when="Recordings that must stay in the order of time for a network that carries its state from batch to "
    "batch.",
    causes=("learning-rate-too-high", "plateau", "underfitting"),
    refutes=("constant-targets",),  # only the first of a sorted pass were looked at
)

VALIDATION_OVERLAPS_TRAINING = Kind(
    code="TW104",
    kind="validation-overlaps-training",
    severity="error",
    title="validation samples are also in the training data",
    because="on samples that it was trained on a network shows its memory: validation looks better than the truth, and "
    "overfitting stays unseen",
    what="Samples of the validation data are found in the training data, number for number, more often than samples "
    "that recur within the training data explain.",
    hurts="Every choice made by validation (when to stop, which rate, which model) then favours memorising, and the "
    "score that is reported cannot be reached on new data.",
    fix="Remove duplicates before dividing the data, divide by group where several rows belong to one subject, and do "
    "not copy rare samples until after the division.",
    wrong_when="Inputs of few different values, where two samples may be equal by chance; that is allowed for as far "
    "as the training data show it.",
    causes_as_error=("validation-reads-differ",),
)

VALIDATION_PREPROCESSED_DIFFERENTLY = Kind(
    code="TW105",
    kind="validation-preprocessed-differently",
    severity="warning",
    title="the validation inputs are prepared differently from the training inputs",
    because="the network is asked about inputs on another scale than it has learnt, and its validation score says "
    "nothing about its quality",
    what="Most features of the validation inputs have another scale or another mean than in training, by more than "
    "sampling or a drift of the data explains, or they were standardised by statistics of their own.",
    hurts="Validation loss is high or erratic however well the network trains, and early stopping, schedules and "
    "searches that look at it decide by noise.",
    fix="Use one function for both, with the mean and standard deviation of the training split; leave out only the "
    "random augmentation for validation.",
    wrong_when="Validation data that come from elsewhere on purpose (another camera, another year).",
    causes=("overfitting", "labels-unrelated-to-inputs"),
)

DUPLICATE_WORKER_RANDOMNESS = Kind(
    code="TW106",
    kind="duplicate-worker-randomness",
    severity="error",
    title="the workers of the loader draw the same random numbers",
    because="each worker process holds a copy of the same generator in the same state, so what they draw is equal",
    what="Items read in different worker processes come with the same random numbers, draw for draw.",
    hurts="With four workers, every augmentation is drawn four times, and the variety that it should bring is a "
    "quarter; often every epoch repeats it as well. No error and no curve shows it.",
    fix="Draw from torch's generator or numpy's global one, which torch seeds differently in each worker; or seed an "
    "own generator from `torch.utils.data.get_worker_info().seed` in a `worker_init_fn`.",
    wrong_when="Never for training: where every sample is meant to be treated alike, nothing has to be drawn.",
)

VALIDATION_READS_DIFFER = Kind(
    code="TW110",
    kind="validation-reads-differ",
    severity="warning",
    title="the validation data change from one read to the next",
    because="two evaluations of one and the same network then differ by the draw, and a comparison of two networks too",
    what="The same validation samples hold other numbers when they are read again.",
    hurts="The best of many evaluations is then partly the luckiest draw, so that the model that is kept, and the "
    "score that is reported, are chosen by chance.",
    fix="Leave random augmentation out of the validation data: give them a data set with a transform of its own, "
    "without anything drawn.",
    wrong_when="Test-time augmentation that is meant and averaged over.",
)

SAMPLES_READ_TWICE = Kind(
    code="TW111",
    kind="samples-read-twice",
    severity="error",
    title="one pass over the data yields the same samples several times",
    because="each worker process iterates over a whole copy of an iterable data set, so every sample comes once for "
    "each worker",
    what="A pass over the training data yields samples more than once, without a sampler that is meant to.",
    hurts="An epoch is as many times longer as there are workers, neighbouring batches are near copies of each other, "
    "and everything that is counted in samples or epochs is wrong.",
    fix="Let each worker read its own share: in `__iter__`, ask `torch.utils.data.get_worker_info()` and yield every "
    "`num_workers`-th sample, beginning at its `id`.",
    wrong_when="Endless streams of which every worker is meant to draw on its own.",
)

CLASS_IMBALANCE = Kind(
    code="TW203",
    kind="class-imbalance",
    severity="note",
    title="some classes are much rarer than others",
    because="a network that never answers with the rare class already has a low loss and a high accuracy",
    what="The most frequent class has more than ten times the samples of the rarest.",
    hurts="Accuracy hides it: with one positive in fifty, never saying yes is right 98 % of the time.",
    fix="Look at the recall of each class, not at accuracy alone. Begin with the last bias at the classes' shares; "
    "weigh the loss or draw rare classes more often where they matter.",
    wrong_when="Classes that are rare in reality as well, where calibrated probabilities are wanted.",
)

LABELS_UNRELATED_TO_INPUTS = Kind(
    code="TW204",
    kind="labels-unrelated-to-inputs",
    severity="warning",
    title="equal inputs have different labels",
    because="no function can give two answers to one question: on such samples the loss has a floor that no network "
    "gets below",
    what="Samples that are equal number for number, and by no chance, carry different labels. Or a sample has another "
    "class when it is read again (a note where its input is made anew as well). Or, seen in a loop: the "
    "network has learnt its training samples, and its answers on held-out ones are those of guessing.",
    hurts="The network learns the mixture at best and memorises noise at worst; where inputs and labels were shuffled "
    "apart, nothing is left to learn.",
    fix="Look at the samples that are named. Where x and y were sorted, filtered or shuffled one without the other, "
    "mend that; settle the rest by a majority of the labels, or leave them out.",
    wrong_when="Labels that are drawn from the answers of several people on purpose.",
    causes=("plateau", "underfitting", "duplicate-samples", "overfitting", "best-checkpoint-passed"),
)

DUPLICATE_SAMPLES = Kind(
    code="TW112",
    kind="duplicate-samples",
    severity="note",
    title="training samples are in the data more than once",
    because="a sample that comes three times counts three times in every epoch, whatever it is worth",
    what="More than one in a hundred training samples is an exact copy of another, in data where none is equal by "
    "chance.",
    hurts="The network learns the copied samples by heart first, the number of samples promises more variety than "
    "there is, and a random division puts copies of training samples into validation.",
    fix="Remove the copies before the data are divided; where they are meant as weights, use a weighted sampler or "
    "weights in the loss, which say so.",
    wrong_when="Samples that were copied on purpose, to balance classes.",
)

DATA_UNREADABLE = Kind(
    code="TW113",
    kind="data-unreadable",
    severity="error",
    title="the data cannot be read to the end",
    because="the first epoch stops at this batch, hours into a run perhaps",
    what="Reading the batches one after the other raises, comes upon something that is no batch, gives batches that "
    "do not fit one another, or gives nothing when it is done again.",
    hurts="Training breaks off in the middle of an epoch, or goes through its epochs with fewer samples than it "
    "counts, or with none.",
    fix="Mend the data set where the finding points. What is iterated over must give a new pass for every "
    "`iter(data)`.",
    wrong_when="Sources that fail now and then, such as a network disk.",
)
