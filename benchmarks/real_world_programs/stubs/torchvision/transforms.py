# ruff: noqa: D101, D102
"""From a byte tensor of `(height, width)` to what a network takes."""


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    def __call__(self, image):
        return image[None].float() / 255


class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = mean[0], std[0]

    def __call__(self, image):
        return (image - self.mean) / self.std


class Resize:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        return image


CenterCrop = Resize
