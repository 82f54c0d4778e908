"""As much of torchvision as pytorch/examples' mnist, vae and dcgan call, over generated images."""

from torchvision import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
