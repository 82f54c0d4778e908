"""The data set opens its archive and unpacks all of it again for each sample that is asked for.

kind: slow-data-loading
tasks: tiles, digits
source: row 18
gap: none, the same samples arrive, only late
"""

import pathlib
import sys

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Archive(Dataset):
    def __init__(self, path):
        self.path = path
        with np.load(path) as archive:
            self.length = len(archive["y"])
            self.arrays = {name: archive[name] for name in archive.files}

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        # fixed: arrays = self.arrays
        arrays = np.load(self.path)  # sick here
        return torch.from_numpy(arrays["x"][index]), int(arrays["y"][index])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
path = pathlib.Path("train.npz").resolve()
np.savez_compressed(path, x=task.x.flatten(1).numpy(), y=task.y.numpy())
loader = DataLoader(Archive(path), batch_size=64, shuffle=True)  # here
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step, (x, y) in enumerate(loader):  # here
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        print(step, round(loss.item(), 4))
path.unlink()
with torch.no_grad():
    print(f"score {(model(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean():.4f}")
