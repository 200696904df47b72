"""Draw the README's picture from the bundled stacks and the shipped networks: python analysis/figures/overview.py"""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from cbedgan.crystal.crystals import Crystal
from cbedgan.demo import config_folder, data_folder
from cbedgan.distortion.distort import DistortConfig
from cbedgan.distortion.held import patterns
from cbedgan.distortion.paths import paths_of
from cbedgan.gan.crystals.draw import ArmConfig, draw_crystal, draw_stack
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from classifier.crystal.spacegroup import symbol
from classifier.foundation.config import load_config
from classifier.prediction.predict import TrainedClassifier, load_classifier
from classifier.samples.dataset import load_stack_set
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile

GROUPS = (194, 227, 216)
PATH = (194, 186)
STEPS = 9
SEED = 11
SURE = 1.0  # margin of the undistorted crystal at least


def main() -> None:
    """Write overview.png beside this file."""
    stacks = data_folder() / "demo.h5"
    with tempfile.TemporaryDirectory() as folder, StackFile(stacks) as file:
        path = split(load_config(config_folder() / "split.toml", SplitConfig), stacks=stacks,
                     out=Path(folder) / "split.json")
        held = load_split(path, stack_digest=file.identity)
        distort = load_config(config_folder() / "distort.toml", DistortConfig)
        classifier = load_classifier(data_folder() / "classifier.safetensors", split_digest=held.names)
        instrument = Instrument.of(file, classifier.view, distort.render)
    generator = load_crystals(data_folder() / "generator.safetensors", split_digest=held.names)
    train = load_stack_set(stacks, class_map=generator.class_map, view=generator.view,
                           intensity=generator.seen.intensity, sample_ids=held.parts["train"])

    figure = Figure(figsize=(9, 4.1), dpi=130, facecolor="#0d0b14")
    grid = figure.add_gridspec(3, 9, left=0.085, right=0.995, top=0.9, bottom=0.075, hspace=0.3, wspace=0.04)

    def draw(row: int, column: int, x: torch.Tensor, above: str = "", below: str = "") -> None:
        axes = figure.add_subplot(grid[row, column], xticks=[], yticks=[])
        axes.imshow(x, origin="lower", cmap="inferno", vmin=-1, vmax=1)
        axes.set_title(above, color="white", fontsize=9)
        axes.set_xlabel(below, color="0.8", fontsize=8)

    for number, group in enumerate(GROUPS):
        real = train.x[train.class_idx == generator.class_map.index(group)][0]
        drawn = draw_stack(generator, ArmConfig(), group, 0, seed=SEED, refused=Counter())
        made = generator.seen.intensity.normalise(torch.from_numpy(drawn.stack))
        for pattern in range(3):
            draw(0, 3 * number + pattern, real[pattern], f"{symbol(group)} ({group})" if pattern == 1 else "")
            draw(1, 3 * number + pattern, made[pattern], drawn.crystal.formula if pattern == 1 else "")

    crystal, distortion, x, margin = crossing_path(generator, classifier, distort, instrument)
    pattern = int(np.argmax((x[0] - x[-1]).square().mean((1, 2))))  # the one that changes most
    for step in range(STEPS):
        draw(2, step, x[step, pattern], crystal.formula if step == STEPS // 2 else "",
             f"{distortion[step]:.2g} Å\n{margin[step]:+.1f}")
    for place, text in zip((0.79, 0.485, 0.18), ("simulated", "generated", "distorted"), strict=True):
        figure.text(0.006, place, text, color="white", fontsize=8.5)
    figure.text(0.006, 0.012, f"margin {symbol(PATH[0])}\nvs {symbol(PATH[1])}", color="0.8", fontsize=6.5)
    figure.savefig(Path(__file__).with_suffix(".png"), facecolor=figure.get_facecolor())


def crossing_path(generator: TrainedCrystals, classifier: TrainedClassifier, distort: DistortConfig,
                  instrument: Instrument) -> tuple[Crystal, np.ndarray, torch.Tensor, np.ndarray]:
    """The first drawn crystal whose group the classifier surely names until it is distorted; how far, x, margin."""
    a, b = (classifier.class_map.index(group) for group in PATH)
    for number in range(100):
        crystal = draw_crystal(generator, ArmConfig(), PATH[0], np.random.default_rng([SEED, number]), Counter())
        for path in [] if crystal is None else paths_of(crystal, PATH, distort.paths, instrument.config, distort.seed):
            if path.subgroup != PATH[1]:
                continue
            distortion = np.concatenate([[0.0], np.geomspace(path.end / 512, path.end, STEPS - 1)])
            seen = patterns([(path.held, path.mode.cell(path.crystal, t)) for t in distortion.tolist()]).seen
            x = classifier.intensity.normalise(torch.from_numpy(seen))
            with torch.no_grad():
                logits = classifier.logits(x)
            margin = (logits[:, a] - logits[:, b]).numpy()
            if margin[0] > SURE and logits[0].argmax() == a and logits[-1].argmax() == b:
                return path.crystal, distortion, x, margin
    raise SystemExit("no drawn crystal crosses the boundary")


if __name__ == "__main__":
    main()
