"""The whole model is in bfloat16, and the steps at this rate are smaller than what its numbers can hold.

kind: bf16-updates-lost
also: learning-rate-too-low
tasks: digits, counts
source: torchao#1124
"""

import sys

import torch
from tasks import load
from torch import nn


class Model(nn.Module):
    def __init__(self, task, width=96):
        super().__init__()
        self.tokens = task.kind == "sequences"
        self.embed = nn.Embedding(task.inputs, 8)
        self.fc1 = nn.Linear(8 * task.x.shape[1] if self.tokens else task.inputs, width)
        self.fc2 = nn.Linear(width, task.outputs)

    def forward(self, x):
        x = self.embed(x).flatten(1) if self.tokens else x.to(self.fc1.weight.dtype)
        return self.fc2(torch.relu(self.fc1(x)))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Model(task)
model = model.to(torch.bfloat16)  # sick here
optimizer = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.0)
for epoch in range(40):
    for rows in torch.randperm(len(task.x)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]).float(), task.y[rows])
        loss.backward()
        optimizer.step()  # here
    if epoch % 10 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-nn.functional.cross_entropy(model(task.x_held_out).float(), task.y_held_out).item():.4f}")
