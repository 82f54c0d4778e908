"""The test averages noisy copies of each row, which training never saw noisy; trips rules on other preprocessing.

control: test-time augmentation
tasks: digits, blobs
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


@torch.inference_mode()
def predict(model, x, copies=8):
    model.eval()
    answers = [model(x)] + [model(x + 0.1 * torch.randn_like(x)) for _ in range(copies)]
    model.train()
    return torch.stack(answers).softmax(-1).mean(0)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(48):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        loss.backward()
        optimizer.step()
    accuracy = (predict(model, task.x_held_out).argmax(1) == task.y_held_out).float().mean()
    print(f"epoch {epoch} loss {loss.item():.4f} accuracy {accuracy.item():.3f}")
print(f"score {accuracy.item():.4f}")
