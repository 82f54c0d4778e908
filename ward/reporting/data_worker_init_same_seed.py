"""worker_init_fn was written to make runs repeatable and gives every worker the same seed.

kind: duplicate-worker-randomness
tasks: digits, blobs
source: Lightning, row 10
gap: none, the noise is a little less varied
"""

import random
import sys

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEED = int(sys.argv[1])


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def init_worker(worker_id):
    # fixed: np.random.seed(SEED + worker_id)
    np.random.seed(SEED)  # sick here


class Jittered(Dataset):
    def __init__(self, x, y, deviation):
        self.x, self.y, self.deviation = x.numpy(), y, deviation

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        noise = np.random.normal(0.0, self.deviation, self.x[i].shape)  # here
        return torch.tensor(self.x[i] + noise, dtype=torch.float32), self.y[i]


seed_everything(SEED)
task = load(sys.argv[2], SEED)
loader = DataLoader(  # here
    Jittered(task.x, task.y, 0.2), batch_size=40, shuffle=True, num_workers=2, worker_init_fn=init_worker
)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(2):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 4))

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
