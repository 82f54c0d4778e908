"""A softmax over a single output unit is 1 for every input.

kind: softmax-over-one-unit
also: outputs-ignore-input, loss-detached
tasks: rings, cancer, counts
source: SO 34311586
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


def features(x):
    return nn.functional.one_hot(x, task.inputs).float().sum(1) if task.kind == "sequences" else x


x, y = features(task.x), task.y.float().unsqueeze(1)
model = nn.Sequential(
    nn.Linear(task.inputs, 16),
    nn.Tanh(),
    nn.Linear(16, 1),
    nn.Softmax(dim=1),  # sick here
    # fixed: nn.Sigmoid(),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
loss_function = nn.MSELoss()
for epoch in range(16):
    for inputs, targets in DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = loss_function(model(inputs), targets)  # here
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "loss", round(loss.item(), 4))

model.eval()
with torch.no_grad():
    hits = (model(features(task.x_held_out)) > 0.5).flatten() == (task.y_held_out == 1)
print(f"score {hits.float().mean():.4f}")
