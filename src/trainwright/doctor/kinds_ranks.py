"""Diagnoses of several processes that train one model."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

REPLICAS_DIVERGE = Kind(
    code="TW911",
    kind="replicas-diverge",
    severity="error",
    title="the copies of the model on different devices are not the same any more",
    because="each device then follows gradients at weights of its own, and their mean belongs to none of them",
    what="After an update, a 64-bit sum over the weights is not the same on every rank.",
    hurts="The ranks train different networks; the one that is saved has seen a part of the data, and what was "
    "averaged was averaged between networks that are not the same.",
    fix="Call the wrapper (`model(x)`), not the module inside of it (`model.module(x)`), where gradients are to be "
    "exchanged; wrap again after moving the model; change weights on all ranks or on none, and make the same number of "
    "updates on each.",
    wrong_when="Methods that let replicas drift on purpose, and bring them together now and then (local SGD).",
)

SAME_DATA_ON_EVERY_RANK = Kind(
    code="TW912",
    kind="same-data-on-every-rank",
    severity="error",
    title="every device trains on the same batches",
    because="the mean of equal gradients is the gradient of one device: the others compute it for nothing",
    what="Five batches or more, one after the other and each another one, were bit for bit the same on several ranks.",
    hurts="Training is no faster than on one device, the batch is not the size that it is thought to be, and the rate "
    "that was raised for it is too high.",
    fix="`DistributedSampler(dataset)` as the loader's sampler, with `sampler.set_epoch(epoch)` in each epoch; for an "
    "iterable data set, let each rank read every world-size-th sample.",
    wrong_when="Groups of ranks that share one model's parts (tensor or sequence parallel), and are meant to see the "
    "same samples.",
)

SLOW_RANK = Kind(
    code="TW913",
    kind="slow-rank",
    severity="warning",
    title="one device keeps all others waiting",
    because="a step ends when the last rank has its gradient; what the others have gained by being early is lost",
    what="One rank's own work, data and forward pass, takes twice as long as that of the others, and it is the last in "
    "most steps.",
    hurts="All devices run at the speed of the slowest: half of what was paid for stands idle.",
    fix="Look at that rank's machine: another process on it, a slower disk, a hot device. Where its samples are longer "
    "than those of others, sort them into batches by length over all ranks.",
    wrong_when="A mixed set of machines that is known to be one.",
)

UNEVEN_SHARDS = Kind(
    code="TW914",
    kind="uneven-shards",
    severity="warning",
    title="the devices get different numbers of samples",
    because="the gradients of ranks are averaged rank by rank, so that a sample on a rank with few counts for more",
    what="Over the same steps, one rank was given at least a tenth more samples than another.",
    hurts="The loss that is minimised is not the mean over the samples, and the ranks with fewer wait for the others.",
    fix="Divide the samples evenly (`DistributedSampler`), or weigh each rank's loss by its number of samples.",
    wrong_when="Batches of equal numbers of tokens, with the loss weighed by them.",
)
