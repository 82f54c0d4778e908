"""Adam's epsilon of 1e-8 is zero in float16, and the weights are float16: the first zero gradient divides by zero.

kind: epsilon-wrong-for-dtype
also: non-finite-loss
tasks: digits, blobs, wine
source: pytorch#147437
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs)).half()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)  # sick here
# fixed: optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, eps=1e-4)
criterion = nn.CrossEntropyLoss()
inputs = task.x.half()

for step in range(300):
    index = torch.randint(len(inputs), (64,))
    optimizer.zero_grad()
    loss = criterion(model(inputs[index]).float(), task.y[index])
    loss.backward()
    optimizer.step()  # here
    if step % 60 == 0:
        print(f"step {step}: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    accuracy = (model(task.x_held_out.half()).argmax(1) == task.y_held_out).float().mean().item()
print(f"score {accuracy:.4f}")
