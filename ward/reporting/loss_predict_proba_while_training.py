"""The training step asks the model for probabilities, by the method that was written for users, and not for logits.

kind: softmax-before-cross-entropy
tasks: digits
source: llama-from-scratch#5
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class Classifier(nn.Module):
    def __init__(self, task, width=64):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(task.inputs, width), nn.Linear(width, task.outputs)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))

    def predict_proba(self, x):
        return self(x).softmax(dim=-1)


def training_step(model, batch):
    x, y = batch
    output = model.predict_proba(x)  # sick here
    # fixed: output = model(x)
    return F.cross_entropy(output, y)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Classifier(task)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
step = 0
for _ in range(10):
    for rows in torch.randperm(len(task.x)).split(32):
        loss = training_step(model, (task.x[rows], task.y[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    nll = F.nll_loss(model.predict_proba(task.x_held_out).clamp_min(1e-8).log(), task.y_held_out)
print(f"score {-nll.item():.4f}")
