"""eval() is called once and never undone, in a net without dropout or batch norm, where it does nothing;
trips mode rules.

control: 19
tasks: digits, blobs, rings
score: 0.8
"""

import sys
from itertools import pairwise

import torch
from tasks import load
from torch import nn


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = nn.functional.silu(layer(x))
        return self.layers[-1](x)


def validate(model, x, y):
    model.eval()
    with torch.no_grad():
        logits = model(x)
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = MLP([task.inputs, 40, 40, task.outputs])
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(8):
    for rows in torch.randperm(len(task.x)).split(64):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    held_out_loss, accuracy = validate(model, task.x_held_out, task.y_held_out)
    print(f"epoch {epoch}: loss {loss.item():.4f}, held out {held_out_loss:.4f}, accuracy {accuracy:.4f}")
print(f"score {accuracy:.4f}")
