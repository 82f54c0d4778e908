"""trainwright trains PyTorch networks and says what is wrong with the training, the way a good compiler does.

The names below load on first use, so that `trainwright --help` need not wait for torch.
"""

from __future__ import annotations

__version__ = "0.1.0"
