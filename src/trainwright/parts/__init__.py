"""What a recipe can name: losses, optimizers, schedules, models; one record per entry, all else derived from it."""
