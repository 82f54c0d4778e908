"""Generated images: ten blurred shapes with noise, always the same."""

import torch

_SIDE = 28


class MNIST(torch.utils.data.Dataset):
    """2048 images to train on and 512 to test on, as `(image, class)`; an image is a byte tensor of 28 x 28."""

    def __init__(self, root, train=True, download=False, transform=None):
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(10, 1, 7, 7, generator=generator)
        shapes = torch.nn.functional.interpolate(coarse, size=_SIDE, mode="bilinear")[:, 0]
        count = 2048 if train else 512
        generator.manual_seed(1 if train else 2)
        self.classes_of = torch.randint(10, (count,), generator=generator)
        noise = 0.2 * torch.randn(count, _SIDE, _SIDE, generator=generator)
        self.images = ((shapes[self.classes_of] + noise).clamp(0, 1) * 255).to(torch.uint8)
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        return (self.transform(image) if self.transform else image), int(self.classes_of[index])


class FakeData(torch.utils.data.Dataset):
    """256 images of noise."""

    def __init__(self, size=256, image_size=(3, 64, 64), num_classes=10, transform=None):
        self.image_size = image_size
        self.transform = transform

    def __len__(self):
        return 256

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, self.image_size[1:], generator=generator, dtype=torch.uint8)
        return self.transform(image).expand(self.image_size), index % 10
