"""An endless stream of samples that are made on the fly, one pass, no epochs and no sizes; trips rules that count
epochs.

control: IterableDataset
tasks: rings, blobs
score: 0.8
"""

import sys
from itertools import islice

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class Stream(IterableDataset):
    def __init__(self, x, y, seed):
        self.x, self.y, self.generator = x, y, torch.Generator().manual_seed(seed)

    def __iter__(self):
        while True:
            i = int(torch.randint(len(self.x), (1,), generator=self.generator))
            yield self.x[i] + 0.02 * torch.randn(self.x.shape[1], generator=self.generator), self.y[i]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Tanh(), nn.Linear(48, task.outputs))
optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
loader = DataLoader(Stream(task.x, task.y, seed), batch_size=32)
for step, (x, y) in enumerate(islice(loader, 300)):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    if step % 60 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
