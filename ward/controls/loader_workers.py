"""Two loader workers that augment with seeds of their own (torch's, and numpy's derived from it);
trips duplicate-randomness rules.

control: DataLoader with workers
tasks: digits, tiles
score: 0.85
"""

import random
import sys

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Jittered(Dataset):
    def __init__(self, x, y, noise):
        self.x, self.y, self.noise = x, y, noise

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i].flatten()
        return x + self.noise * np.random.randn(len(x)).astype("float32"), self.y[i]


def seed_worker(worker):
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    loader = DataLoader(
        Jittered(task.x, task.y, 0.2),
        batch_size=64,
        shuffle=True,
        num_workers=2,
        worker_init_fn=seed_worker,
        persistent_workers=True,
    )
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    opt = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(8):
        for x, y in loader:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            opt.step()
        print(f"epoch {epoch}: loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(task.x_held_out.flatten(1)).argmax(1) == task.y_held_out).float().mean().item()
    print(f"score {accuracy:.4f}")


if __name__ == "__main__":
    main()
