"""The data set holds its own numpy generator, of which each worker gets a copy: all draw the same augmentations.

kind: duplicate-worker-randomness
tasks: digits, cancer
source: pytorch#5059
gap: none, the noise is a little less varied
"""

import sys

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class NoisyTable(Dataset):
    def __init__(self, x, y, seed):
        self.x, self.y = x.numpy(), y
        self.random = np.random.default_rng(seed)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        noise = self.random.normal(scale=0.3, size=self.x.shape[1])
        return torch.tensor(self.x[i] + noise, dtype=torch.float32), self.y[i]


def own_generator(worker_id):
    get_worker_info().dataset.random = np.random.default_rng(get_worker_info().seed)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_set = NoisyTable(task.x, task.y, seed)
loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2)  # sick here
# fixed: loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2, worker_init_fn=own_generator)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(5):
    for inputs, labels in loader:  # here
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
