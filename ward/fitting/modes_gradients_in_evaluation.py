"""The evaluation runs without no_grad and keeps what it predicted, and with it all the graphs.

kind: gradients-tracked-in-evaluation
also: graph-kept-alive
tasks: digits, blobs, shapes
source: synthetic, row 101
gap: none, costs time and memory and not the result
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_set, test_set = TensorDataset(task.x, task.y), TensorDataset(task.x_held_out, task.y_held_out)
model = nn.Sequential(
    nn.Flatten(), nn.Linear(task.x[0].numel(), 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, task.outputs)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


# fixed: @torch.no_grad()
def evaluate(dataset):  # here
    model.eval()
    predictions, labels = [], []
    for x, y in DataLoader(dataset, batch_size=64):
        predictions.append(model(x))  # here
        labels.append(y)
    return (torch.cat(predictions).argmax(1) == torch.cat(labels)).float().mean().item()


for epoch in range(8):
    model.train()
    for x, y in DataLoader(train_set, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}, test accuracy {evaluate(test_set):.4f}")
print(f"score {evaluate(test_set):.4f}")
