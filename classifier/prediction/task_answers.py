"""Answers to the added tasks in words and units, as a user reads them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from classifier.network.tasks import ELEMENTS, Task, columns_of

NAMES: dict[Task, str] = {"cell_lengths": "cell_lengths_angstrom", "cell_angles": "cell_angles_degree",
                          "d_spacings": "d_spacings_angstrom", "beam_energy": "beam_energy_kev"}
LEAST_PRESENCE = 0.2  # probability from which on an element is named


def named_answers(answers: np.ndarray, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """JSON content of answers float [N, T] (columns as in tasks.columns_of), one dictionary a sample.

    The crystal system is left out: the groups' own probabilities sum to the answer that fits them.
    """
    entries: list[dict[str, Any]] = [{} for _ in answers]
    for task, columns in columns_of(tasks).items():
        for entry, row in zip(entries, answers[:, columns].astype(np.float64), strict=True):
            if task == "elements":
                likely = np.flatnonzero(row >= LEAST_PRESENCE)
                entry["elements"] = {ELEMENTS[k]: float(row[k]) for k in likely[np.argsort(-row[likely])]}
            elif task in NAMES:
                entry[NAMES[task]] = (row if task == "cell_angles" else np.exp(row)).tolist()
    return entries


def in_words(answer: dict[str, Any]) -> str:
    """One line of what named_answers says of a sample; "" where it says nothing."""
    parts = [f"{name.split('_')[0]} {' '.join(f'{value:.3g}' for value in answer[name])} {name.split('_')[-1]}"
             for name in NAMES.values() if name in answer]
    return "; ".join([*parts, *([" ".join(f"{symbol} {p:.2f}" for symbol, p in answer["elements"].items())]
                                if answer.get("elements") else [])])
