"""Probabilities of several answers are given to the functional loss that expects logits.

kind: sigmoid-before-bce-with-logits
tasks: topics, digits
source: daisyRec#15
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn, sigmoid


def answers(labels, outputs):
    """One column of 0 or 1 for each answer."""
    return labels if labels.ndim == 2 else F.one_hot(labels, outputs).float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y, y_test = answers(task.y, task.outputs), answers(task.y_held_out, task.outputs)
encoder, head = nn.Linear(task.inputs, 64), nn.Linear(64, task.outputs)
params = list(encoder.parameters()) + list(head.parameters())
optimizer = torch.optim.AdamW(params, lr=5e-3)

for i in range(300):
    pick = torch.randint(len(y), (48,))
    scores = head(F.gelu(encoder(task.x[pick])))
    scores = sigmoid(scores)  # sick here
    loss = F.binary_cross_entropy_with_logits(scores, y[pick])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if i % 60 == 0:
        print(f"iter {i}: {loss:.4f}")

with torch.no_grad():
    logits = head(F.gelu(encoder(task.x_held_out)))
    held_out = F.binary_cross_entropy_with_logits(logits, y_test)
print(f"score {-held_out:.4f}")
