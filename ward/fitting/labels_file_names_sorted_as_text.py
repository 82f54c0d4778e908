"""The inputs are listed by file name as text ("10" before "2"), the labels by number: the pairs do not belong together.

kind: labels-unrelated-to-inputs
also: overfitting
tasks: digits, surface, counts
source: synthetic, row 23
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Folder(Dataset):
    """One sample a file, named by its number; the labels come from a table in the order of the numbers."""

    def __init__(self, x, y):
        self.files = {f"{number}.npy": sample for number, sample in enumerate(x)}
        self.names = sorted(self.files)  # sick
        # fixed: self.names = sorted(self.files, key=lambda name: int(name[:-4]))
        self.labels = y

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        return self.files[self.names[index]], self.labels[index]


def build(task):
    if task.kind == "sequences":
        front = nn.Sequential(nn.Embedding(task.inputs, 8), nn.Flatten(), nn.Linear(8 * task.x.shape[1], 48))
    else:
        front = nn.Linear(task.inputs, 48)
    return nn.Sequential(front, nn.ReLU(), nn.Linear(48, task.outputs))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(Folder(task.x, task.y), batch_size=50, shuffle=True)
model = build(task)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

for epoch in range(10):
    losses = []
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)  # here
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch} mean loss {sum(losses) / len(losses):.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
