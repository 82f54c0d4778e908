"""The answers are taken at a threshold of 0.5 on the logits instead of the probabilities.

kind: metric-contradicts-loss
tasks: topics
source: synthetic, row 130
gap: none, only the reported accuracy is wrong
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(data.inputs, 64), nn.ReLU(), nn.Linear(64, data.outputs))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def report(epoch):
    model.eval()
    with torch.no_grad():
        logits = model(data.x_held_out)
    predicted = (logits > 0.5).float()  # sick here
    # fixed: predicted = (logits > 0).float()
    accuracy = (predicted == data.y_held_out).float().mean().item()
    loss = criterion(logits, data.y_held_out).item()
    print(f"epoch {epoch} loss {loss:.4f} accuracy {accuracy:.4f}")
    return loss


for epoch in range(15):
    model.train()
    for rows in torch.randperm(len(data.x)).split(32):
        optimizer.zero_grad()
        loss = criterion(model(data.x[rows]), data.y[rows])
        loss.backward()
        optimizer.step()
    held_out_loss = report(epoch)
print(f"score {-held_out_loss:.4f}")
