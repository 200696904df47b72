"""Draw the README's picture from the bundled stacks and the shipped networks: python analysis/figures/overview.py"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from cbedgan.boundary.margin import LatentClassifier, LatentPaths
from cbedgan.demo import config_folder, data_folder
from cbedgan.gan.network.generator import load_generator
from cbedgan.gan.network.latents import latents, z_seeds
from classifier.crystal.spacegroup import symbol
from classifier.foundation.config import load_config
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import load_stack_set
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile

GROUPS = (194, 227, 216)
PATH = (216, 225)
PATH_POINTS = 9
SEED = 30  # of a sample whose path crosses the boundary


def main() -> None:
    """Write overview.png beside this file."""
    stacks = data_folder() / "demo.h5"
    with tempfile.TemporaryDirectory() as folder, StackFile(stacks) as file:
        path = split(load_config(config_folder() / "split.toml", SplitConfig), stacks=stacks,
                     out=Path(folder) / "split.json")
        demo_split = load_split(path, stack_digest=file.identity)
    generator = load_generator(data_folder() / "generator.safetensors", split_digest=demo_split.names)
    classifier = load_classifier(data_folder() / "classifier.safetensors", split_digest=demo_split.names)
    class_map = generator.class_map
    train = load_stack_set(stacks, class_map=class_map, view=generator.view, intensity=generator.intensity,
                           sample_ids=demo_split.parts["train"])
    z = latents(z_seeds(SEED, n=1), generator.latent_dim)

    figure = Figure(figsize=(9, 4.1), dpi=130, facecolor="#0d0b14")
    grid = figure.add_gridspec(3, 9, left=0.075, right=0.995, top=0.9, bottom=0.075, hspace=0.3, wspace=0.04)

    def draw(row: int, column: int, x: torch.Tensor, above: str = "", below: str = "") -> None:
        axes = figure.add_subplot(grid[row, column], xticks=[], yticks=[])
        axes.imshow(x, origin="lower", cmap="inferno", vmin=-1, vmax=1)
        axes.set_title(above, color="white", fontsize=9)
        axes.set_xlabel(below, color="0.8", fontsize=8)

    for number, group in enumerate(GROUPS):
        index = class_map.index(group)
        real = train.x[train.class_idx == index][0]
        imagined = generator.sample(z, torch.tensor([index]))[0]
        for pattern in range(3):
            title = f"{symbol(group)} ({group})" if pattern == 1 else ""
            draw(0, 3 * number + pattern, real[pattern], title)
            draw(1, 3 * number + pattern, imagined[pattern])

    a, b = (torch.tensor([class_map.index(group)]) for group in PATH)
    with torch.no_grad():
        walk = LatentPaths.of("class", generator, z, z, a, b)
        w = walk.w(torch.linspace(0, 1, PATH_POINTS, dtype=torch.float64)[:, None])[:, 0]
        x = generator.synthesise(w)
        logits = LatentClassifier.of(generator, classifier, batch=64).logits(w)
    margin = (logits[:, a] - logits[:, b])[:, 0].numpy()
    pattern = int(np.argmax((x[0] - x[-1]).square().mean((1, 2))))  # the one that changes most
    for step in range(PATH_POINTS):
        draw(2, step, x[step, pattern], below=f"{margin[step]:+.1f}")
    for place, text in zip((0.79, 0.485, 0.18), ("simulated", "generated", "path"), strict=True):
        figure.text(0.008, place, text, color="white", fontsize=9)
    figure.text(0.008, 0.032, f"margin\n{symbol(PATH[0])} vs {symbol(PATH[1])}", color="0.8", fontsize=6.5)
    figure.savefig(Path(__file__).with_suffix(".png"), facecolor=figure.get_facecolor())


if __name__ == "__main__":
    main()
