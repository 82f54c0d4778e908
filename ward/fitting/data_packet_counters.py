"""Byte counters of about three thousand million are fed to the network unscaled.

kind: inputs-not-normalised
also: initial-loss-too-high, dead-relu
tasks: blobs, cancer, rings
source: SO 44066044
"""

import sys

import torch
from tasks import load
from torch import nn, optim

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


def counters(x):
    """The traffic log counts bytes."""
    return 3e9 + 1e9 * x


def prepare(log):
    return log  # sick here
    # fixed: return (log - 3e9) / 1e9


flows, labels = prepare(counters(task.x)), task.y
network = nn.Sequential(nn.Linear(flows.size(1), 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
classify = nn.Linear(48, task.outputs)
everything = [*network.parameters(), *classify.parameters()]
sgd = optim.SGD(everything, lr=0.1)
objective = nn.CrossEntropyLoss()
for i in range(400):
    batch = torch.randperm(len(flows))[:64]
    loss = objective(classify(network(flows[batch])), labels[batch])  # here
    sgd.zero_grad(set_to_none=True)
    loss.backward()
    sgd.step()
    if not i % 80:
        print(i, loss.item())

with torch.inference_mode():
    guess = classify(network(prepare(counters(task.x_held_out)))).argmax(-1)
print(f"score {(guess == task.y_held_out).double().mean():.4f}")
