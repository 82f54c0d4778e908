"""A denoising autoencoder is trained by functions in a row; zero_grad was lost when they were written.

kind: missing-zero-grad
tasks: digits, cancer
source: SO 60335387
"""

import sys

import torch
from tasks import load
from torch import nn


def make_model(n, code=12):
    encoder = nn.Sequential(nn.Linear(n, 48), nn.ReLU(), nn.Linear(48, code))
    decoder = nn.Sequential(nn.Linear(code, 48), nn.ReLU(), nn.Linear(48, n))
    return nn.Sequential(encoder, decoder)


def corrupt(x):
    return x + 0.2 * torch.randn_like(x)


def update(model, optimizer, batch):
    # fixed: model.zero_grad()
    loss = nn.functional.mse_loss(model(corrupt(batch)), batch)
    loss.backward()  # here
    optimizer.step()  # here
    return loss.detach()


def explained(model, x, mean):
    with torch.no_grad():
        return 1 - ((model(x) - x) ** 2).sum() / ((x - mean) ** 2).sum()


def main():
    seed, name = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(seed)
    task = load(name, seed)
    model = make_model(task.inputs)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(15):
        losses = [update(model, optimizer, task.x[rows]) for rows in torch.randperm(len(task.x)).split(40)]
        print(f"epoch {epoch}: reconstruction {torch.stack(losses).mean():.4f}")
    print(f"score {explained(model, task.x_held_out, task.x.mean(0)).item():.4f}")


main()
