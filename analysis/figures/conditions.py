"""Draw one stack under every condition: python analysis/figures/conditions.py [stacks.h5 [sample_id]]"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

from cbedgan.demo import data_folder
from classifier.crystal.spacegroup import symbol
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.samples.stackfile import StackFile

SHOWN = ("ideal", "filtered", "ordinary", "poor", "counted")
DECADES = 4  # below the brightest pixel of a pattern


def main() -> None:
    """Write conditions.png beside this file."""
    with StackFile(Path(sys.argv[1]) if len(sys.argv) > 1 else data_folder() / "demo.h5") as file:
        names = file.table.sample_id.tolist()
        row = names.index(sys.argv[2]) if len(sys.argv) > 2 else 0
        stack = torch.from_numpy(file.read([row]))
        group = int(file.table.space_group[row])
    figure = Figure(figsize=(7.2, 2.4 * len(SHOWN)), dpi=110)
    for line, name in enumerate(SHOWN):
        patterns = measured_copy(stack, names[row : row + 1], CONDITIONS[name])[0]
        for column, pattern in enumerate(patterns):
            axes = figure.add_subplot(len(SHOWN), 3, 3 * line + column + 1, xticks=[], yticks=[])
            relative = (pattern / pattern.max()).clamp(min=10.0**-DECADES)
            axes.imshow(relative.log10(), origin="lower", cmap="gray", vmin=-DECADES, vmax=0)
            if column == 0:
                axes.set_ylabel(name)
    figure.suptitle(f"{names[row]}: {symbol(group)} ({group}), {DECADES} decades", fontsize=10)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_suffix(".png"))


if __name__ == "__main__":
    main()
