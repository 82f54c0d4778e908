"""L-BFGS with a closure over all the data: many backward passes in one step, the same batch every time;
trips the step automaton.

control: 19
tasks: cancer, wine, blobs
score: 0.8
"""

import sys

import torch
from tasks import load

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
model = torch.nn.Sequential(torch.nn.Linear(task.inputs, 16), torch.nn.Tanh(), torch.nn.Linear(16, task.outputs))
optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=6, history_size=8, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    data = torch.nn.functional.cross_entropy(model(task.x), task.y)
    loss = data + 1e-2 * sum(p.square().sum() for p in model.parameters())
    loss.backward()
    return loss


for step in range(12):
    loss = optimizer.step(closure)
    print(f"step {step} objective {loss.item():.5f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
