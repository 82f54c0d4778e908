"""bfloat16 weights that follow a float32 master copy: most small updates leave the copy as it is;
trips bf16-updates-lost.

control: 22
tasks: digits, blobs, cancer
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class MixedTrainer:
    """Keeps the weights twice: coarse for the network, fine for the optimizer."""

    def __init__(self, net, lr):
        self.net = net.to(torch.bfloat16)
        self.master = [p.detach().float().requires_grad_(True) for p in net.parameters()]
        self.optimizer = torch.optim.Adam(self.master, lr=lr)

    def step(self, x, y):
        self.net.zero_grad()
        loss = nn.functional.cross_entropy(self.net(x).float(), y)
        loss.backward()
        for fine, coarse in zip(self.master, self.net.parameters(), strict=True):
            fine.grad = coarse.grad.float()
        self.optimizer.step()
        with torch.no_grad():
            for fine, coarse in zip(self.master, self.net.parameters(), strict=True):
                coarse.copy_(fine)
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_held_out = task.x.bfloat16(), task.x_held_out.bfloat16()
trainer = MixedTrainer(nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs)), lr=1e-3)
for step in range(500):
    rows = torch.randint(len(x), (64,))
    loss = trainer.step(x[rows], task.y[rows])
    if step % 100 == 0:
        print(f"step {step}: {loss:.4f}")
trainer.net.eval()
with torch.no_grad():
    print(f"score {(trainer.net(x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
