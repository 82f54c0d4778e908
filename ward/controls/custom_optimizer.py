"""An Optimizer subclass written by the author (Lion), updating in place;
trips rules that know torch's own optimizers only.

control: custom Optimizer subclass
tasks: digits, blobs, rings
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim import Optimizer


class Lion(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            slow, slower = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.sign(momentum * slow + p.grad * (1 - slow)), alpha=-group["lr"])
                momentum.lerp_(p.grad, 1 - slower)
        return loss


def fit(net, x, y, steps):
    opt = Lion(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, total_iters=steps)
    for step in range(steps):
        idx = torch.randint(len(x), (64,))
        loss = nn.functional.cross_entropy(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
        if step % 100 == 0:
            print(f"{step:5d} {loss.item():.4f}")


if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]))
    task = load(sys.argv[2], int(sys.argv[1]))
    net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
    fit(net, task.x, task.y, 500)
    net.eval()
    with torch.no_grad():
        print(f"score {(net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
