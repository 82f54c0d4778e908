"""A ReLU network in which half of all activations are zero at any time, and no unit always; trips rules on zeros.

control: 3
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn, optim


def make_layer(n_in, n_out):
    layer = nn.Linear(n_in, n_out)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class DeepRelu(nn.Module):
    def __init__(self, n_in, n_out, width=64, depth=4):
        super().__init__()
        sizes = [n_in] + [width] * depth
        self.hidden = nn.ModuleList([make_layer(sizes[i], sizes[i + 1]) for i in range(depth)])
        self.last = nn.Linear(width, n_out)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.last(x)


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    model = DeepRelu(task.inputs, task.outputs)
    optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True)
    loss_function = nn.CrossEntropyLoss()
    for epoch in range(15):
        permutation = torch.randperm(task.x.size(0))
        for i in range(0, task.x.size(0), 64):
            indices = permutation[i : i + 64]
            optimizer.zero_grad()
            loss = loss_function(model(task.x[indices]), task.y[indices])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print("epoch", epoch, "loss", round(loss.item(), 4))
    model.eval()
    with torch.no_grad():
        return (model(task.x_held_out).argmax(dim=1) == task.y_held_out).float().mean().item()


print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
