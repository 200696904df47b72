"""Errors in one line, files that are whole or absent, configurations, run folders, ranks, memory.

May import: nothing of this project.
"""
