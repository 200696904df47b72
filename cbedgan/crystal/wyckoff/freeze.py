"""Writes the table of Wyckoff positions from pyxtal's: `python -m cbedgan.crystal.wyckoff.freeze`."""

import gzip
import sys
import warnings
from importlib.metadata import version

from cbedgan.crystal.wyckoff.table import TABLE, standard_setting
from classifier.crystal.spacegroup import NUMBERS

HEADER = """\
# Wyckoff positions of the 230 space groups; standard setting: unique axis b, origin choice 2, hexagonal axes for R.
# A line "group": number and symbol. The lines below it: multiplicity, letter, coordinates (for centred groups, of the
# centring's zero vector). The facts are those of International Tables A. Taken from the data of pyxtal {version}, MIT
# licence, Copyright 2018 Scott Fredericks, Qiang Zhu.
"""


def table() -> str:
    """Return the text of the table as pyxtal gives it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyxtal.symmetry import Group
    lines = []
    for space_group in NUMBERS:
        setting = standard_setting(space_group)
        n_centring = len(setting.operations().cen_ops)
        lines.append(f"group {space_group} {setting.hm}")
        for position in Group(space_group).Wyckoff_positions:
            images = position.ops[: len(position.ops) // n_centring]
            coordinates = (image.as_xyz_str().replace(" ", "") for image in images)
            lines.append(f"{len(position.ops)} {position.letter} {' '.join(coordinates)}")
    return HEADER.format(version=version("pyxtal")) + "\n".join(lines) + "\n"


def main() -> None:
    """Write the table; the same content gives the same bytes."""
    TABLE.write_bytes(gzip.compress(table().encode(), 9, mtime=0))
    print(f"{TABLE.name}: {TABLE.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
