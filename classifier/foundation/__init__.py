"""Errors in one line, files that are whole or absent, configurations, run folders, ranks, devices.

May import: nothing of this project.
"""
