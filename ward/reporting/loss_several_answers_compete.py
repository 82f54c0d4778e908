"""Answers that may be true together are trained with a softmax across them.

kind: multi-label-with-softmax
tasks: topics
source: SO 45337371
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
tagger = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss()  # sick here
# fixed: criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(tagger.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=30, shuffle=True)
for epoch in range(12):
    for documents, topics in loader:
        optimizer.zero_grad()
        loss = criterion(tagger(documents), topics)  # here
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

tagger.eval()
with torch.no_grad():
    held_out = nn.functional.binary_cross_entropy_with_logits(tagger(task.x_held_out), task.y_held_out)
print(f"score {-held_out:.4f}")
