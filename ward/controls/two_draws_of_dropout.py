"""R-Drop: every batch passes twice, under two draws of dropout, whose answers shall agree; trips rules on one batch
twice in a step, on divergences and on losses that do not near zero.

control: two draws of dropout
tasks: digits, cancer, wine
score: 0.85
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
model = nn.Sequential(nn.Linear(task.inputs, 96), nn.ReLU(), nn.Dropout(0.3), nn.Linear(96, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True):
        first, second = model(x), model(x)
        log_p, log_q = first.log_softmax(dim=1), second.log_softmax(dim=1)
        apart = F.kl_div(log_p, log_q, log_target=True, reduction="batchmean")
        apart = apart + F.kl_div(log_q, log_p, log_target=True, reduction="batchmean")
        loss = F.cross_entropy(first, y) + F.cross_entropy(second, y) + 0.5 * apart
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
    print(f"epoch {epoch} loss {loss.item():.3f} accuracy {accuracy:.3f}")
print(f"score {accuracy:.4f}")
