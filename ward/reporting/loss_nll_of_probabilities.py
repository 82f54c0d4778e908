"""NLLLoss is given probabilities instead of their logarithms, and the loss is negative.

kind: nll-without-log-softmax
tasks: digits, blobs, rings
source: matchmaker#18
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(int(sys.argv[1]))
data = load(sys.argv[2], int(sys.argv[1]))
train_loader = DataLoader(TensorDataset(data.x, data.y), batch_size=64, shuffle=True, drop_last=True)


def build(inputs, outputs):
    layers = [nn.Linear(inputs, 64), nn.ReLU(inplace=True), nn.Linear(64, outputs)]
    layers.append(nn.Softmax(dim=-1))  # sick here
    # fixed: layers.append(nn.LogSoftmax(dim=-1))
    return nn.Sequential(*layers)


classifier = build(data.inputs, data.outputs)
nll = nn.NLLLoss()
opt = torch.optim.SGD(classifier.parameters(), lr=0.02)
for epoch in range(12):
    summed = 0.0
    for features, target in train_loader:
        opt.zero_grad()
        loss = nll(classifier(features), target)  # here
        loss.backward()
        opt.step()
        summed += float(loss.detach())
    if epoch % 3 == 0:
        print(f"{epoch}: {summed / len(train_loader):+.4f}")

with torch.no_grad():
    score = (classifier(data.x_held_out).argmax(-1) == data.y_held_out).float().mean().item()
print(f"score {score:.4f}")
