"""Families of elements that behave alike."""

import gemmi

# An element is exchanged only for one of its own family; the atomic radius then changes little.
FAMILIES = tuple(tuple(names.split()) for names in (
    "H F Cl Br I", "Li Na K Rb Cs", "Be Mg Ca Sr Ba", "Ti V Cr Mn Fe Co Ni Cu Zn",
    "Zr Nb Mo Ru Rh Pd Ag Cd Hf Ta W Re Os Ir Pt Au Hg", "Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
    "Th Pa U Np Pu Am Cm Cf", "Al Ga In Tl Sn Pb Bi", "B C Si Ge", "N P As Sb", "O S Se Te Po"))
FAMILY_OF: dict[int, tuple[int, ...]] = {
    gemmi.Element(name).atomic_number: tuple(gemmi.Element(other).atomic_number for other in family)
    for family in FAMILIES for name in family}
