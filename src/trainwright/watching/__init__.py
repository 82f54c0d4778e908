"""Watches any training loop from outside: what it calls, in which order, on which line, and with what numbers."""
