"""The simulations, one or two near ones in a file."""
