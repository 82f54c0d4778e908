"""A layer runs to its fixed point without gradients and takes one step with them, which is its whole backward;
trips rules on no_grad in training, on detached states and on a layer that is called twelve times.

control: 10, a deep equilibrium layer
tasks: rings, blobs, digits
score: 0.7
"""

import sys

import torch
from tasks import load
from torch import nn


class Equilibrium(nn.Module):
    def __init__(self, inputs, width, iterations=12):
        super().__init__()
        self.inward = nn.Linear(inputs, width)
        self.again = nn.Linear(width, width, bias=False)
        nn.init.orthogonal_(self.again.weight, gain=0.4)
        self.iterations = iterations

    def step(self, state, drive):
        return torch.tanh(self.again(state) + drive)

    def forward(self, x):
        drive = self.inward(x)
        with torch.no_grad():
            state = torch.zeros_like(drive)
            for _ in range(self.iterations):
                state = self.step(state, drive)
        return self.step(state, drive)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(Equilibrium(task.inputs, 48), nn.Linear(48, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(12):
    for rows in torch.randperm(len(task.x)).split(40):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
