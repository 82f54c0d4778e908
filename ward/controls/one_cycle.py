"""OneCycleLR stepped after every batch, as it is meant to be; trips rules that expect one scheduler step an epoch.

control: 9
tasks: tiles, shapes
score: 0.85
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build(channels, classes):
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = [(model(x).argmax(1) == y) for x, y in loader]
    return torch.cat(hits).float().mean().item()


seed, epochs = int(sys.argv[1]), 5
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True, drop_last=True)
test = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=64)
model = build(task.inputs, task.outputs)
opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=epochs * len(train))
for epoch in range(epochs):
    model.train()
    for x, y in train:
        loss = nn.functional.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}, held out {accuracy(model, test):.4f}")
print(f"score {accuracy(model, test):.4f}")
