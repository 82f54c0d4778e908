"""Ten classes are learnt by the mean absolute error between probabilities and one-hot codes, and most are given up.

kind: regression-loss-for-classes
also: learning-rate-too-low
tasks: digits
source: SO 31556268
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class ConvNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3)
        self.fc = nn.Linear(12 * 9, classes)

    def forward(self, x):
        x = F.relu(self.conv(x.view(-1, 1, 8, 8)))
        return self.fc(F.max_pool2d(x, 2).flatten(1))


def criterion(logits, labels):
    probabilities = logits.softmax(dim=1)
    wanted = F.one_hot(labels, logits.shape[1]).float()
    # fixed: return -(wanted * logits.log_softmax(dim=1)).sum(dim=1).mean()
    return (probabilities - wanted).abs().mean()  # sick here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = ConvNet(task.outputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(8):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(task.x[rows]), task.y[rows])  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {accuracy:.4f}")
print(f"score {accuracy:.4f}")
