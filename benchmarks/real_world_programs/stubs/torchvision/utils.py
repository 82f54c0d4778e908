"""Nothing is drawn."""


def save_image(*_, **__):
    """Write no file."""
