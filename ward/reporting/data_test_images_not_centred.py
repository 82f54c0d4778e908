"""The training pictures are centred by a flag of the data set class, which the test set is built without.

kind: validation-preprocessed-differently
tasks: tiles, shapes
source: synthetic, row 5
"""

import sys
from dataclasses import dataclass

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


@dataclass
class Config:
    epochs: int = 6
    batch: int = 40
    lr: float = 2e-3


class Scans(Dataset):
    def __init__(self, pictures, labels, normalize=False):
        self.pictures, self.labels, self.normalize = pictures * 40 + 120, labels, normalize

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        picture = self.pictures[i]
        if self.normalize:
            picture = (picture - 120) / 40
        return picture, self.labels[i]


def evaluate(net, loader):
    net.eval()
    right = n = 0
    with torch.no_grad():
        for pictures, labels in loader:
            right += (net(pictures).argmax(1) == labels).sum().item()  # here
            n += len(labels)
    net.train()
    return right / n


cfg = Config()
seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(Scans(task.x, task.y, normalize=True), batch_size=cfg.batch, shuffle=True)
test_set = Scans(task.x_held_out, task.y_held_out)  # sick here
# fixed: test_set = Scans(task.x_held_out, task.y_held_out, normalize=True)
test_loader = DataLoader(test_set, batch_size=100)  # here
net = nn.Sequential(
    nn.Conv2d(task.inputs, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.AdaptiveMaxPool2d(4),
    nn.Flatten(),
    nn.Linear(256, 32),
    nn.ReLU(),
    nn.Linear(32, task.outputs),
)
opt = torch.optim.AdamW(net.parameters(), lr=cfg.lr)
ce = nn.CrossEntropyLoss()
for epoch in range(cfg.epochs):
    for pictures, labels in train_loader:
        opt.zero_grad()
        loss = ce(net(pictures), labels)
        loss.backward()
        opt.step()
    print(f"epoch {epoch} train loss {loss.item():.4f} test accuracy {evaluate(net, test_loader):.3f}")
print(f"score {evaluate(net, test_loader):.4f}")
