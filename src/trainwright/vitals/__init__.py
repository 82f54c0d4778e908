"""Measures a training network from outside: nothing here changes what is computed."""
