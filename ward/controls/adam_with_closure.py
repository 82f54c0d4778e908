"""Adam takes a closure, and zero_grad, forward and backward all run inside of step(); trips the step automaton.

control: 19
tasks: curve, digits
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 64), nn.Tanh(), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(20):
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True):

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    output = model(task.x_held_out)
if task.kind == "classes":
    print(f"score {(output.argmax(1) == task.y_held_out).float().mean().item():.4f}")
else:
    print(f"score {1 - (output - task.y_held_out).var().item() / task.y_held_out.var().item():.4f}")
