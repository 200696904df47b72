"""Charges and radii of ions, and which charge each element of a compound has.

Radii in angstrom: Shannon (1976, Acta Cryst. A 32, 751), effective, coordination six; P, As and Sb as anions after
Pauling. H as a cation has next to none, so that nothing stands for it.
"""

from functools import cache
from itertools import product

import gemmi

RADII_BY_CHARGE = {
    1: "H 0.01 Li 0.76 Na 1.02 K 1.38 Rb 1.52 Cs 1.67 Cu 0.77 Ag 1.15 Au 1.37 Tl 1.50",
    2: "Be 0.45 Mg 0.72 Ca 1.00 Sr 1.18 Ba 1.35 V 0.79 Mn 0.83 Fe 0.78 Co 0.745 Ni 0.69 Cu 0.73 Zn 0.74 Ge 0.73 "
       "Pd 0.86 Cd 0.95 Eu 1.17 Pt 0.80 Hg 1.02 Pb 1.19",
    3: "B 0.27 Al 0.535 P 0.44 Sc 0.745 Ti 0.67 V 0.64 Cr 0.615 Mn 0.645 Fe 0.645 Co 0.61 Ni 0.60 Ga 0.62 As 0.58 "
       "Y 0.90 Rh 0.665 In 0.80 Sb 0.76 La 1.032 Ce 1.01 Pr 0.99 Nd 0.983 Sm 0.958 Gd 0.938 Tb 0.923 Dy 0.912 "
       "Ho 0.901 Er 0.89 Tm 0.88 Yb 0.868 Lu 0.861 Ir 0.68 Tl 0.885 Bi 1.03",
    4: "C 0.16 Si 0.40 S 0.37 Ti 0.605 V 0.58 Mn 0.53 Ge 0.53 Se 0.50 Zr 0.72 Nb 0.68 Mo 0.65 Ru 0.62 Pd 0.615 Sn 0.69 "
       "Te 0.97 Ce 0.87 Hf 0.71 W 0.66 Re 0.63 Os 0.63 Ir 0.625 Pt 0.625 Pb 0.775 Th 0.94 U 0.89",
    5: "N 0.13 P 0.38 V 0.54 As 0.46 Nb 0.64 Sb 0.60 Ta 0.64 Bi 0.76",
    6: "S 0.29 Cr 0.44 Se 0.42 Mo 0.59 Te 0.56 W 0.60 Re 0.55 U 0.73",
    7: "Cl 0.27 Mn 0.46 I 0.53 Re 0.53",
    -1: "F 1.33 Cl 1.81 Br 1.96 I 2.20",
    -2: "O 1.40 S 1.84 Se 1.98 Te 2.21",
    -3: "N 1.46 P 2.12 As 2.22 Sb 2.45"}
# Falling electronegativity: an anion stands before every cation, and before all elements that are not listed.
ANIONS_FIRST = "F O N Cl Br I S Se H P As Te Sb".split()


def _atomic_number(name: str) -> int:
    return gemmi.Element(name).atomic_number


RADIUS: dict[tuple[int, int], float] = {
    (_atomic_number(name), charge): float(radius) for charge, words in RADII_BY_CHARGE.items()
    for name, radius in zip(words.split()[::2], words.split()[1::2], strict=True)}
"""{(atomic number, charge): radius in angstrom}."""
ELEMENTS = tuple(sorted({number for number, _ in RADIUS}))
_RANK = {_atomic_number(name): rank for rank, name in enumerate(ANIONS_FIRST)}


@cache
def charges(composition: tuple[tuple[int, int], ...]) -> dict[int, int] | None:
    """Return one charge for each element of a compound, {atomic number: charge}; None where none balance.

    composition: (atomic number, how many) of each element, ascending. Of several answers the one with the smallest
    charges is taken, so that of equals the lighter elements have the smaller ones.
    """
    states = [sorted((charge for number, charge in RADIUS if number == element), key=abs) for element, _ in composition]
    best: tuple[int, ...] | None = None
    for chosen in product(*states):
        if sum(charge * count for charge, (_, count) in zip(chosen, composition, strict=True)):
            continue
        ranks = [(_RANK.get(element, len(_RANK)), charge > 0)
                 for charge, (element, _) in zip(chosen, composition, strict=True)]
        if ranks and sorted(ranks) == sorted(ranks, key=lambda rank: (rank[1], rank[0])) and (
                best is None or sum(map(abs, chosen)) < sum(map(abs, best))):
            best = chosen
    return None if best is None else {element: charge for charge, (element, _) in zip(best, composition, strict=True)}
