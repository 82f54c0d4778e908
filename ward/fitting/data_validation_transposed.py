"""The validation pictures are read row by row into columns: they arrive transposed, with the very same statistics.

kind: validation-preprocessed-differently
tasks: tiles
source: synthetic, row 5
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Scans(Dataset):
    def __init__(self, pictures, labels, order="HW"):
        # the scanner of the second site writes columns first
        self.pictures = pictures if order == "HW" else pictures.transpose(2, 3)
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.pictures[i], self.labels[i]


def evaluate(net, loader):
    net.eval()
    right = seen = 0
    with torch.no_grad():
        for x, y in loader:  # here
            right += (net(x).argmax(1) == y).sum().item()  # here
            seen += len(y)
    net.train()
    return right / seen


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(Scans(task.x, task.y), batch_size=50, shuffle=True)
held_out = Scans(task.x_held_out, task.y_held_out, order="WH")  # sick here
# fixed: held_out = Scans(task.x_held_out, task.y_held_out)
val_loader = DataLoader(held_out, batch_size=200)
net = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 10)
)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    accuracy = evaluate(net, val_loader)
    print(f"epoch {epoch} train loss {loss.item():.3f} validation accuracy {accuracy:.3f}")
print(f"score {accuracy:.4f}")
