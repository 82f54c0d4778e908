"""Fine-tuning a pretrained net, its new head at ten times the rate: a first loss far below log C;
trips leak and init rules.

control: 14
tasks: digits, cancer, blobs
score: 0.8
"""

import sys

import torch
import torch.nn as nn
from tasks import load


class Net(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(d_in, 72), nn.ReLU(), nn.Linear(72, 36), nn.ReLU())
        self.classifier = nn.Linear(36, d_out)

    def forward(self, x):
        return self.classifier(self.features(x))


def run(net, groups, x, y, steps, what):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(groups)
    net.train()
    for step in range(steps):
        rows = torch.randperm(len(x))[:32]
        optimizer.zero_grad()
        loss = criterion(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"{what} {step:4d} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
half = len(task.x) // 2

source = Net(task.inputs, task.outputs)
run(source, [{"params": source.parameters(), "lr": 3e-3}], task.x[:half], task.y[:half], 300, "source")

target = Net(task.inputs, task.outputs)
target.load_state_dict(source.state_dict())
groups = [
    {"params": target.features.parameters(), "lr": 1e-4},
    {"params": target.classifier.parameters(), "lr": 1e-3},
]
run(target, groups, task.x[half:], task.y[half:], 300, "target")

target.eval()
with torch.no_grad():
    score = (target(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
print(f"score {score:.4f}")
