"""The length of the prompt is given in characters, and no token remains that counts in the loss.

kind: no-valid-targets
also: non-finite-loss
tasks: chain, tags
source: row 28
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
prompt = 4 * 5  # sick
# fixed: prompt = 4
labels = task.y.clone()
labels[:, :prompt] = -100  # here

model = nn.ModuleDict({"embed": nn.Embedding(task.inputs, 32), "gru": nn.GRU(32, 32, batch_first=True)})
head = nn.Linear(32, task.outputs)
optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(150):
    rows = torch.randint(len(labels), (24,))
    states, _ = model["gru"](model["embed"](task.x[rows]))
    loss = criterion(head(states).view(-1, task.outputs), labels[rows].view(-1))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    states, _ = model["gru"](model["embed"](task.x_held_out))
    hits = head(states).argmax(-1) == task.y_held_out
print(f"score {hits.float().mean():.4f}")
