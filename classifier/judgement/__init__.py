"""Predictions whose truth is known, judged: figures, pictures and a page.

May import: foundation, statistics, crystal, prediction.
"""
