"""The configuration says shuffle, the code asks for shuffle_train and falls back to False, and the files lie by class.

kind: data-not-shuffled
tasks: digits, blobs
source: row 8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Dataset

CONFIG = {"batch_size": 32, "shuffle": True, "lr": 0.1, "epochs": 6, "hidden": 64}


class FolderOfClasses(Dataset):
    """Lists the samples as a directory walk would: one class after the other."""

    def __init__(self, x, y):
        self.samples = [(x[i], int(c)) for c in y.unique() for i in (y == c).nonzero().flatten().tolist()]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def make_loader(dataset, config):
    # fixed: shuffle = config.get("shuffle", False)
    shuffle = config.get("shuffle_train", False)  # sick here
    return DataLoader(dataset, batch_size=config["batch_size"], shuffle=shuffle)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = make_loader(FolderOfClasses(task.x, task.y), CONFIG)
net = nn.Sequential(nn.Linear(task.inputs, CONFIG["hidden"]), nn.ReLU(), nn.Linear(CONFIG["hidden"], task.outputs))
optimizer = torch.optim.SGD(net.parameters(), lr=CONFIG["lr"], momentum=0.9)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(CONFIG["epochs"]):
    running = 0.0
    for inputs, targets in loader:  # here
        optimizer.zero_grad()
        loss = loss_fn(net(inputs), targets)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(inputs)
    print(f"epoch {epoch}  loss {running / len(loader.dataset):.4f}")

net.eval()
with torch.no_grad():
    correct = (net(task.x_held_out).argmax(1) == task.y_held_out).sum().item()
print(f"score {correct / len(task.y_held_out):.4f}")
