"""Pictures of 0 to 255 go into a sigmoid network as they are, and the loss stays at that of guessing.

kind: inputs-not-normalised
also: saturated-activations
tasks: digits, tiles, shapes
source: SO 55328966
"""

import sys

import torch
from tasks import load
from torch import nn

seed, task = int(sys.argv[1]), load(sys.argv[2], int(sys.argv[1]))
torch.manual_seed(seed)

low, high = task.x.min(), task.x.max()
train_bytes = ((task.x - low) / (high - low) * 255).byte()
test_bytes = ((task.x_held_out - low) / (high - low) * 255).clamp(0, 255).byte()


def to_float(images):
    return images.flatten(1).float()  # sick here
    # fixed: return images.flatten(1).float() / 127.5 - 1


x_train, x_test = to_float(train_bytes), to_float(test_bytes)
model = nn.Sequential(
    nn.Linear(x_train.shape[1], 64),
    nn.Sigmoid(),
    nn.Linear(64, task.outputs),
)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

for step in range(600):
    index = torch.randint(len(x_train), (32,))
    optimizer.zero_grad()
    loss = criterion(model(x_train[index]), task.y[index])  # here
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    score = (model(x_test).argmax(dim=1) == task.y_held_out).float().mean().item()
print(f"score {score:.4f}")
