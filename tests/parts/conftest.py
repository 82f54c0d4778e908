from __future__ import annotations

import torch

# Several workers of one thread each are faster than as many of several threads, which wait for one another.
torch.set_num_threads(1)
