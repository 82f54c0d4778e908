"""Each step loops over the chunks of a large batch and clears the gradients of the model at the head of that loop.

kind: zero-grad-inside-accumulation
tasks: curve, surface, topics
source: PreDiff#32
"""

import sys

import torch
from tasks import load
from torch import nn


class Mlp(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.last = nn.Linear(48, outputs)

    def forward(self, x):
        return self.last(self.layers(x))


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    model = Mlp(task.inputs, task.outputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for step in range(150):
        big = torch.randperm(len(task.x))[:64]
        for chunk in big.chunk(8):
            model.zero_grad()  # sick here
            loss = (model(task.x[chunk]) - task.y[chunk]).square().mean() / 8
            loss.backward()
        optimizer.step()  # here
        # fixed: model.zero_grad()
        if step % 30 == 0:
            print(f"step {step} loss {8 * loss.item():.4f}")
    with torch.no_grad():
        error = (model(task.x_held_out) - task.y_held_out).square().mean()
    print(f"score {-error.item():.4f}")


main()
