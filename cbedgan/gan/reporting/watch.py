"""A look at the generator while it trains: so many stacks, the same latents and figures at every report."""

import time

import numpy as np
import torch

from cbedgan.fidelity.collapse import collapsed, spread_ratio
from cbedgan.fidelity.coverage import Balls
from cbedgan.fidelity.features import Features
from cbedgan.fidelity.halves import sample_rows
from cbedgan.fidelity.kernel import UnitFeatures, kid
from cbedgan.fidelity.memorisation import Training
from cbedgan.fidelity.symmetry import shown_symmetries, symmetry_figures, symmetry_residuals
from cbedgan.gan.network.contract import Generator
from classifier.samples.dataset import StackSet
from classifier.statistics.metrics import materials_per_class, shot_class


class Watch:
    """The real stacks that a training's averaged generator is compared with, measured once; `look` measures it.

    No random number of the training is drawn.
    """

    def __init__(self, samples: StackSet, features: Features, *, stacks: int, latent_dim: int, seed: int) -> None:
        """Measure the real stacks.

        Parameters
        ----------
        samples : the train part
        features : of x as the generator normalises it
        stacks : that each look compares; half of the places go to the groups in turn
        latent_dim : length of z
        seed : of the choice of stacks and of z
        """
        self._begun, self._spent = time.perf_counter(), 0.0
        labels = samples.class_idx.cpu()
        rows = sample_rows(labels.numpy(), stacks, seed)
        x = samples.x[torch.from_numpy(rows).to(samples.x.device)].cpu()
        self.class_idx, self.features = labels[torch.from_numpy(rows)], features
        material = np.unique(samples.material[rows], return_inverse=True)[1]
        materials = materials_per_class(labels.numpy(), samples.material, int(labels.max()) + 1)
        self.few = torch.from_numpy(shot_class(materials) == "few")[self.class_idx]
        self.material, self.real = torch.from_numpy(material), features(x)
        self.x, self.training = x, Training.of(x, self.class_idx, self.material)
        self.residuals = symmetry_residuals(x)
        self.shown = None if self.residuals is None else shown_symmetries(self.residuals, self.class_idx,
                                                                          len(materials))
        self.z = torch.randn(len(rows), latent_dim, generator=torch.Generator().manual_seed(seed))
        self._spent += time.perf_counter() - self._begun

    @property
    def share_of_time(self) -> float:
        """Share of the wall time since it was made that it took itself: building it and all looks."""
        return self._spent / max(time.perf_counter() - self._begun, 1e-9)

    @torch.no_grad()
    def look(self, generator: Generator) -> dict[str, float]:
        """Figures of a generator by name, the same for the same weights; what cannot be measured is left out.

        kid and coverage of all groups and (_few) of those with few materials;
        spread_alarms: collapsed groups; copies: share of the watched stacks; symmetry_ratio: generated over real.
        """
        begun = time.perf_counter()
        made = generator.sample(self.z, self.class_idx).cpu()
        f = self.features(made)
        figures = {}
        for name, chosen in (("", torch.ones_like(self.few)), ("_few", self.few)):
            own = self.material[chosen]
            distance = kid(*(UnitFeatures(each[chosen], own.numpy()) for each in (f, self.real)), replicates=0, seed=0)
            balls = Balls.around(self.real[chosen], own)
            if distance is not None:
                figures[f"kid{name}"] = distance["estimate"]
            if balls is not None:
                figures[f"coverage{name}"] = balls.coverage(balls.holding(f[chosen]))
        ratios = (spread_ratio(*pair, self.class_idx) for pair in ((f, self.class_idx, self.real),
                                                                  (made, self.class_idx, self.x)))
        figures["spread_alarms"] = float(len(collapsed(*ratios)))
        copied = self.training.figures(self.training.nearest(made))
        if copied:
            figures["copies"] = copied["share"]
        residuals = symmetry_residuals(made)
        if residuals is not None and self.residuals is not None and self.shown is not None:
            symmetry = symmetry_figures(residuals, self.class_idx, self.residuals, self.class_idx, self.shown)
            if symmetry:
                figures["symmetry_ratio"] = symmetry["ratio"]
        self._spent += time.perf_counter() - begun
        return figures
