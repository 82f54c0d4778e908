"""The code is made of signs, as hashing wants it, and the sign has no gradient: the layers in front stay as drawn.

kind: parameters-without-gradient
also: weights-never-updated, vanishing-gradients
tasks: digits, rings
source: synthetic, row 31
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Hashing(nn.Module):
    def __init__(self, inputs, outputs, bits=6):
        super().__init__()
        self.project = nn.Linear(inputs, bits)
        self.read = nn.Linear(bits, outputs)

    def forward(self, x):
        z = torch.tanh(self.project(x))
        code = torch.sign(z)  # here
        # fixed: code = z + (code - z).detach()
        return self.read(code)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Hashing(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(500):
    rows = torch.randint(len(task.x), (48,))
    loss = F.cross_entropy(model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"score {-F.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
