"""The samples are made by closures that all look at the same loop variable: each has the label of the last class.

kind: constant-targets
also: collapsed-predictions
tasks: digits, blobs
source: synthetic, row 21
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Lazy(Dataset):
    """Samples that are read when they are asked for."""

    def __init__(self, x, y):
        self.readers = []
        for label in range(int(y.max()) + 1):
            for row in (y == label).nonzero().flatten().tolist():
                # fixed: self.readers.append(lambda row=row, label=label: (x[row], label))
                self.readers.append(lambda row=row: (x[row], label))  # noqa: B023  # sick here

    def __len__(self):
        return len(self.readers)

    def __getitem__(self, index):
        return self.readers[index]()


class Net(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.fc1 = nn.Linear(inputs, 50)
        self.fc2 = nn.Linear(50, classes)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(Lazy(task.x, task.y), batch_size=32, shuffle=True)
net = Net(task.inputs, task.outputs)
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    for x, y in loader:
        opt.zero_grad()
        loss = criterion(net(x), y)  # here
        loss.backward()
        opt.step()
    print(f"epoch {epoch} loss {loss.item():.5f}")

net.eval()
with torch.no_grad():
    print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
