"""RMSprop takes over the rate that SGD had, and throws the recurrent weights about with each step.

kind: learning-rate-too-high
tasks: counts
source: row 80
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9),
    # fixed: "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.003, momentum=0.5),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.3, momentum=0.5),  # sick here
}


class Counter(nn.Module):
    def __init__(self, ids, classes, width=24):
        super().__init__()
        self.embed = nn.Embedding(ids, 12)
        self.gru = nn.GRU(12, width, batch_first=True)
        self.out = nn.Linear(width, classes)

    def forward(self, ids):
        _, state = self.gru(self.embed(ids))
        return self.out(state.squeeze(0))


def main(seed, name, which="rmsprop"):
    torch.manual_seed(seed)
    task = load(name, seed)
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True)
    model = Counter(task.inputs, task.outputs)
    optimizer = OPTIMIZERS[which](model.parameters())
    for epoch in range(12):
        mean = 0.0
        for ids, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(ids), labels)
            loss.backward()
            optimizer.step()  # here
            mean += loss.item() / len(loader)
        print(f"epoch {epoch} loss {mean:.4f}")
    model.eval()
    with torch.no_grad():
        return (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item()


print(f"score {main(int(sys.argv[1]), sys.argv[2]):.4f}")
