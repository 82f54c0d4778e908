"""Each worker of the loader works with a copy of the same generator.

kind: duplicate-worker-randomness
tasks: blobs
up: what worker 1 adds to its n-th sample
across: what worker 0 adds to its n-th sample
shows: The sick workers draw the same numbers, so all points lie on one line; those of the healed ones have nothing to
    do with each other.
finds: verify
form: linear, dots
"""

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

import trainwright as tw


class Noisy(Dataset):
    def __init__(self, x, y):
        self.x, self.y, self.random = x, y, np.random.default_rng(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, place):
        return self.x[place] + torch.tensor(self.random.normal(size=8), dtype=torch.float32), self.y[place]


def own_seed(worker):
    get_worker_info().dataset.random = np.random.default_rng(get_worker_info().seed)


torch.manual_seed(0)
task = load("blobs", 0)
x, y = task.x[:96], task.y[:96]
own = {}  # sick
# fixed: own = {"worker_init_fn": own_seed}
loader = DataLoader(Noisy(x, y), batch_size=24, num_workers=2, **own)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
told = tw.verify(model, "cross_entropy", loader, checks=["worker-randomness"]).findings
added = [batch - x[24 * place : 24 * place + 24] for place, (batch, _) in enumerate(loader)]  # by turns 0, 1, 0, 1
shown = list(zip(added[0][:, 0].tolist(), added[1][:, 0].tolist(), strict=True))
