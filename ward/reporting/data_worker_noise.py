"""Every worker holds a copy of one generator, so all of them draw the same noise.

kind: duplicate-worker-randomness
tasks: tiles, digits, shapes
source: SO 67180955
gap: none, the copies only make the augmentation less varied
"""

import sys

import numpy as np
import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self, images, labels, seed):
        self.images = images
        self.labels = labels
        self.random = np.random.RandomState(seed)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        noise = self.random.normal(size=self.images[index].shape)  # sick here
        # fixed: noise = np.random.normal(size=self.images[index].shape)
        return self.images[index] + 0.3 * torch.from_numpy(noise).float(), self.labels[index]


def main():
    seed = int(sys.argv[1])
    torch.manual_seed(seed)
    task = load(sys.argv[2], seed)
    loader = DataLoader(Noisy(task.x, task.y, seed), batch_size=32, shuffle=True, num_workers=2)  # here
    net = nn.Sequential(nn.Flatten(), nn.Linear(task.x[0].numel(), 48), nn.ReLU(), nn.Linear(48, task.outputs))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(3):
        for images, labels in loader:  # here
            optimizer.zero_grad()
            loss = criterion(net(images), labels)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {loss.item():.4f}")
    net.eval()
    with torch.no_grad():
        score = (net(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()
    print(f"score {score:.4f}")


if __name__ == "__main__":
    main()
