"""The scaler is enabled where cuda is, but autocast in float16 is on everywhere: small gradients underflow on the CPU.

kind: fp16-underflow
also: vanishing-gradients, learning-rate-too-low
tasks: curve, surface
source: row 108
"""

import sys

import torch
from tasks import load
from torch import nn


class Surrogate(nn.Module):
    """Learns a displacement of some micrometres, in metres."""

    def __init__(self, inputs, width=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x)) * 1e-5


def main(seed, name):
    torch.manual_seed(seed)
    task = load(name, seed)
    y = task.y * 1e-5
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Surrogate(task.inputs)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, eps=1e-16)
    # fixed: scaler = torch.amp.GradScaler(device, init_scale=2.0**30)
    scaler = torch.amp.GradScaler(device, init_scale=2.0**30, enabled=device == "cuda")  # sick here
    for step in range(600):
        rows = torch.randint(len(task.x), (40,))
        with torch.autocast("cpu", dtype=torch.float16):
            output = model(task.x[rows])
        loss = (output.float() - y[rows]).square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()  # here
        scaler.step(optimizer)
        scaler.update()
        if step % 100 == 0:
            print(f"step {step} loss {loss.item():.3e}")
    with torch.no_grad():
        error = (model(task.x_held_out) * 1e5 - task.y_held_out).square().mean().item()
    return 1 - error


print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
