"""The package in ten lines of Python: classifiers that answer, generators that draw, crystals that are distorted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float, Float32, Int

from cbedgan.crystal.crystals import Crystal
from cbedgan.distortion.paths import PathsConfig, modes_of
from cbedgan.distortion.symmetry.subgroups import operations_of
from cbedgan.gan.crystals.draw import ArmConfig, draw_stack
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals, load_crystals
from cbedgan.shipped import network_path
from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition
from classifier.prediction import predict as trained
from classifier.prediction.answers import Answer, answer_stacks
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import write_stack_file
from classifier.statistics.metrics import softmax

__all__ = ["Answer", "Crystal", "DrawnSamples", "LoadedClassifier", "LoadedGenerator", "distort", "load_classifier",
           "load_generator"]
Network = str | Path  # of a checkpoint, or "builtin:NAME"


@dataclass(frozen=True, eq=False)
class LoadedClassifier:
    """One trained classifier, or several that answer together."""

    members: tuple[trained.TrainedClassifier, ...]

    @property
    def space_groups(self) -> tuple[int, ...]:
        """The groups that it knows, ascending: the columns of `predict_proba`."""
        return self.members[0].class_map.space_groups

    def predict(self, samples: Network | Float[np.ndarray, "N 3 H W"], *, top: int = 6, accuracy: float = 0.9,
                coverage: float = 0.95, condition: Condition = "ideal") -> list[Answer]:
        """Answer every sample of a file, or of an array of intensities in the detector, pose and unit of training.

        The parameters are those of `answer_stacks`, which says what is refused; InputError for samples in another
        frame than that of training.
        """
        return self._answered(samples, top, accuracy, coverage, condition)[0]

    def predict_proba(self, samples: Network | Float[np.ndarray, "N 3 H W"], *, condition: Condition = "ideal"
                      ) -> Float[np.ndarray, "N K"]:
        """Calibrated probabilities of `space_groups`, of refused samples too."""
        _, predictions = self._answered(samples, 1, 0.0, 0.95, condition)
        logits, first = predictions.logits, self.members[0]
        if len(self.members) == 1 and first.trust is not None:
            logits = first.trust.calibrated_logits(logits)
        return softmax(np.asarray(logits, dtype=np.float64))

    def _answered(self, samples: Network | np.ndarray, top: int, accuracy: float, coverage: float,
                  condition: Condition) -> tuple[list[Answer], trained.Predictions]:
        if isinstance(samples, np.ndarray):
            with TemporaryDirectory() as folder:
                return self._answered(self._written(samples, Path(folder) / "samples.h5"), top, accuracy, coverage,
                                      condition)
        answers, _, predictions = answer_stacks(self.members, Path(samples), top=top, accuracy=accuracy,
                                                coverage=coverage, condition=condition)
        return answers, predictions

    def _written(self, intensity: np.ndarray, path: Path) -> Path:
        """Write an array as a sample file in the frame of training."""
        frame = self.members[0].frame
        wanted = tuple(frame.grid.shape)
        if intensity.shape[1:] != wanted or len(intensity) == 0:
            raise InputError(source="the array", rule=f"must be intensities [N, {', '.join(map(str, wanted))}]",
                             value=list(intensity.shape), remedy="Bring patterns there with cbedgan import.")
        table = SampleTable.build(len(intensity), sample_id=[f"sample-{k}" for k in range(len(intensity))],
                                  origin="experimental")
        write_stack_file(path, intensity.astype(np.float32), table, detector=frame.grid, pose=frame.pose,
                         intensity_unit=frame.intensity_unit, provenance={})
        return path


@dataclass(frozen=True, eq=False)
class DrawnSamples:
    """Samples of a generator: intensity in the unit of its set, as a rule shares of the incident beam per pixel."""

    intensity: Float32[np.ndarray, "N 3 H W"]
    space_group: Int[np.ndarray, " N"]
    crystals: tuple[Crystal, ...]
    intensity_unit: str


@dataclass(frozen=True, eq=False)
class LoadedGenerator:
    """A trained generator of crystals."""

    source: TrainedCrystals

    @property
    def space_groups(self) -> tuple[int, ...]:
        """The groups that it was trained on; it draws crystals of all 230."""
        return self.source.class_map.space_groups

    def sample(self, counts: Mapping[int, int], *, seed: int = 0, candidates: int = 8, moved: bool = True
               ) -> DrawnSamples:
        """Draw {space group: number} crystals and render them: what `cbedgan sample` draws with this seed.

        Parameters
        ----------
        counts : samples of each space group, at least one in all
        seed : of all samples; sample i of a group depends on seed, group and i alone
        candidates : crystals of which the discriminator chooses one, 1: no choice
        moved : whether the network moves the atoms of what is drawn
        """
        arm, refused = ArmConfig(moved=moved, candidates=candidates), Counter[str]()
        made = [draw_stack(self.source, arm, group, number, seed=seed, refused=refused)
                for group, count in sorted(counts.items()) for number in range(count)]
        if not made:
            raise InputError(source="sample", rule="must be asked for at least one sample", value=dict(counts),
                             remedy="Give for instance {225: 10}.")
        return DrawnSamples(np.stack([one.stack for one in made]).astype(np.float32),
                            np.array([one.crystal.space_group for one in made]),
                            tuple(one.crystal for one in made), self.source.frame.intensity_unit)


def load_classifier(*networks: Network) -> LoadedClassifier:
    """Read a classifier, "builtin:demo" or a path; several answer together, as the mean of their probabilities."""
    if not networks:
        raise InputError(source="load_classifier", rule="needs a network", value="none",
                         remedy='Give "builtin:demo", or the path of classifier.safetensors.')
    return LoadedClassifier(tuple(trained.load_classifier(network_path(one, "classifier")) for one in networks))


def load_generator(network: Network) -> LoadedGenerator:
    """Read a generator of crystals, "builtin:demo" or a path."""
    return LoadedGenerator(load_crystals(network_path(network, "generator")))


def distort(crystal: Crystal, distortion_angstrom: float, *, seed: int = 0, strain_share: float = 0.25
            ) -> list[Crystal]:
    """The crystal along one random mode into each of its maximal subgroups that leaves the atoms apart.

    Each keeps that subgroup and no more, and says so (`space_group`). A subgroup without such a mode is left out.

    Parameters
    ----------
    crystal : to begin with
    distortion_angstrom : how far the atom that moves most does, beside the strain; above 0
    seed : of the modes
    strain_share : how much the cell is strained beside the atoms, see `random_mode`
    """
    if not distortion_angstrom > 0:
        raise InputError(source="distort", rule="must move atoms by more than 0 angstrom", value=distortion_angstrom,
                         remedy="Give for instance 0.1.")
    config = PathsConfig(materials=1, strain_share=strain_share, most_angstrom=distortion_angstrom,
                         least_end_angstrom=distortion_angstrom)
    return [mode.crystal(crystal, distortion_angstrom, f"{crystal.source}, distorted by {distortion_angstrom:g} A")
            for _, _, mode, _ in modes_of(crystal, operations_of(crystal), range(1, 231), config, seed)]
