"""The loop clears the gradients of the head only; those of the encoder are added up for ever.

kind: missing-zero-grad
tasks: digits, blobs, cancer
source: synthetic, row 67
"""

import itertools
import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import cross_entropy

SEED = int(sys.argv[1])
torch.manual_seed(SEED)
t = load(sys.argv[2], SEED)

encoder = nn.Sequential(nn.Linear(t.inputs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
head = nn.Linear(32, t.outputs)
opt = torch.optim.SGD(itertools.chain(encoder.parameters(), head.parameters()), lr=0.15)

for step in range(600):
    pick = torch.randint(len(t.x), (48,))
    head.zero_grad()
    # fixed: encoder.zero_grad()
    loss = cross_entropy(head(encoder(t.x[pick])), t.y[pick])
    loss.backward()  # here
    opt.step()  # here
    if step % 100 == 0:
        print(step, loss.item())

with torch.inference_mode():
    guess = head(encoder(t.x_held_out)).argmax(-1)
print(f"score {(guess == t.y_held_out).float().mean().item():.4f}")
