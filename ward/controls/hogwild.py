"""Hogwild: two threads update one network without a lock, each with an optimizer of its own; trips the step automaton.

control: Hogwild (19)
tasks: digits, blobs, rings
score: 0.8
"""

import sys
import threading

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
shared = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
shared.share_memory()


def worker(rank, turns):
    random = torch.Generator().manual_seed(1000 * seed + rank)
    mine = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, task.outputs))
    optimizer = torch.optim.SGD(shared.parameters(), lr=0.1)
    for i in range(300):
        turns[rank].acquire()  # take turns, so that the run can be repeated; the gradients are stale all the same
        mine.load_state_dict(shared.state_dict())
        rows = torch.randint(len(task.x), (64,), generator=random)
        loss = nn.functional.cross_entropy(mine(task.x[rows]), task.y[rows])
        mine.zero_grad()
        loss.backward()
        for ours, theirs in zip(shared.parameters(), mine.parameters(), strict=True):
            ours.grad = theirs.grad
        optimizer.step()
        if i % 100 == 0:
            print(f"worker {rank} step {i} loss {loss.item():.4f}")
        turns[1 - rank].release()


turns = [threading.Semaphore(1), threading.Semaphore(0)]
threads = [threading.Thread(target=worker, args=(rank, turns)) for rank in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
shared.eval()
with torch.no_grad():
    print(f"score {(shared(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
