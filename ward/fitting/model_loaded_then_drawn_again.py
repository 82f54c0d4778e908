"""The pretrained weights are loaded and then the initialisation runs over all layers and draws them anew.

kind: weights-not-loaded
tasks: digits, blobs
source: synthetic, row 51
"""

import io
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


def make_model(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))


def init_weights(module):
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def train(model, x, y, lr, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for step in range(steps):
        rows = torch.randint(len(x), (32,))
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"  step {step} loss {loss.item():.4f}")


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
half = len(task.x) // 2

print("pretraining")
pretrained = make_model(task.inputs, task.outputs)
pretrained.apply(init_weights)
train(pretrained, task.x[:half], task.y[:half], lr=0.05, steps=400)
checkpoint = io.BytesIO()
torch.save(pretrained.state_dict(), checkpoint)

print("fine-tuning")
checkpoint.seek(0)
model = make_model(task.inputs, task.outputs)
# fixed: model.apply(init_weights)
model.load_state_dict(torch.load(checkpoint))  # here
model.apply(init_weights)  # sick here
train(model, task.x[half:], task.y[half:], lr=1e-3, steps=100)
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
