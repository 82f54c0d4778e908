"""Findings turned into edits of the program that they were found in: small, exact, and refused where there is doubt.

A room of its own: it reads records and the text of files, writes nothing, runs nothing and knows no torch.
"""
