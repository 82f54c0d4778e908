"""What a recipe can name: losses, optimizers, schedules, models. One record per entry, everything else derived from it."""
