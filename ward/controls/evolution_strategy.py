"""An evolution strategy: weights are disturbed, judged without gradients and moved along what did well; there is no
backward pass, and evaluation is all that happens; trips rules on missing backward and missing steps.

control: no gradients at all
tasks: blobs, wine
score: 0.7
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 8), nn.Tanh(), nn.Linear(8, task.outputs))


@torch.no_grad()
def fitness(weights, rows):
    vector_to_parameters(weights, model.parameters())
    return -F.cross_entropy(model(task.x[rows]), task.y[rows])


mean = parameters_to_vector(model.parameters()).detach().clone()
for generation in range(120):
    rows = torch.randint(len(task.x), (128,))
    noise = torch.randn(16, len(mean))
    gains = torch.stack([fitness(mean + 0.1 * n, rows) - fitness(mean - 0.1 * n, rows) for n in noise])
    mean += 0.15 * (gains[:, None] * noise).mean(dim=0) / 0.1
    if generation % 30 == 0:
        print(f"generation {generation} fitness {fitness(mean, rows).item():.3f}")
vector_to_parameters(mean, model.parameters())
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
