"""torch.no_grad() stands alone on its line, without with: it is made, thrown away and switches nothing off.

kind: gradients-tracked-in-evaluation
tasks: digits, blobs
source: row 101
gap: none, costs time and memory and not the result
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_loaders(task):
    train = TensorDataset(task.x, task.y)
    test = TensorDataset(task.x_held_out, task.y_held_out)
    return DataLoader(train, batch_size=32, shuffle=True), DataLoader(test, batch_size=64)


# fixed: @torch.no_grad()
def test(model, loader):
    model.eval()
    right = 0
    torch.no_grad()  # sick here
    for x, y in loader:
        right += (model(x).argmax(1) == y).sum().item()  # here
    model.train()
    return right / len(loader.dataset)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader, test_loader = make_loaders(task)
model = nn.Sequential(
    nn.Linear(task.inputs, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, task.outputs)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(8):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    accuracy = test(model, test_loader)
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {accuracy:.4f}")
print(f"score {accuracy:.4f}")
