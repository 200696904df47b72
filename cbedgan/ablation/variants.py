"""The variants of a generator's training, one complete file each, and the runs that they ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cbedgan.ablation.runs import GeneratorJob
from cbedgan.assessment.assess import AssessConfig
from cbedgan.gan.train import TrainGanConfig
from classifier.foundation.config import Config, digest, load_configs


class VariantConfig(Config):
    """label: in tables; changes: what differs from the recipe; train: the complete training, in which a run sets
    `seed`."""

    label: str
    changes: str
    train: TrainGanConfig


@dataclass(frozen=True)
class AblationRuns:
    """jobs: what has to be run, equal runs once; folders: {variant: run folder of each seed}."""

    jobs: list[GeneratorJob]
    folders: dict[str, list[Path]]


def load_variants(folder: Path) -> dict[str, VariantConfig]:
    """Read every *.toml of the folder: {file name without its ending: variant}, in the order of names."""
    return load_configs(folder, VariantConfig, kind="variants", like="configs/gan")


def plan_runs(variants: Mapping[str, VariantConfig], seeds: Iterable[int], assessment: AssessConfig, *, stacks: Path,
              split: Path, classifier: Path | None, out: Path) -> AblationRuns:
    """List the runs, seed by seed; a run is named by what decides it, so that it outlasts its variant.

    Parameters
    ----------
    variants, seeds : of the ablation
    assessment : of every generator
    stacks, split, classifier : files
    out : folder of all runs
    """
    jobs: dict[Path, GeneratorJob] = {}
    folders: dict[str, list[Path]] = {name: [] for name in variants}
    for seed in seeds:
        for name, variant in variants.items():
            config = variant.train.model_copy(update={"seed": seed})
            folder = out / "trainings" / f"{digest(config)[:12]}-seed{seed}"
            jobs.setdefault(folder, GeneratorJob(name, seed, config, assessment, stacks, split, classifier, folder,
                                                 out / "cache"))
            folders[name].append(folder)
    return AblationRuns(list(jobs.values()), folders)
