"""The methods of a ranking: a training, what mends its head, how many networks vote; and the runs that they share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cbedgan.comparison.trainings import HeadJob, Job
from classifier.adjustment.post_hoc import PostHoc, PostHocConfig
from classifier.foundation.config import Config, digest, load_configs
from classifier.network.comparison_network import ComparisonConfig
from classifier.network.symmetry_network import SymmetryConfig
from classifier.pattern.condition import Condition
from classifier.pattern.measurement import CONDITIONS
from classifier.training.train import TrainClassifierConfig


class MethodConfig(Config):
    """label: in tables; paper: where the method comes from; train: the complete training, in which a run sets `seed`;
    post_hoc: what mends the head afterwards; ensemble: number of networks whose probabilities are averaged."""

    label: str
    paper: str
    train: TrainClassifierConfig
    post_hoc: PostHoc | None = None
    ensemble: Annotated[int, Field(ge=2)] | None = None


@dataclass(frozen=True)
class RankingRuns:
    """What has to be run for all methods and seeds; equal runs are there once.

    members: {method: run folder of each seed}; an ensemble's are those of the networks that it averages.
    """

    trainings: list[Job]
    heads: list[HeadJob]
    members: dict[str, list[Path]]


def load_methods(folder: Path) -> dict[str, MethodConfig]:
    """Read every *.toml of the folder: {file name without its ending: method}, in the order of names."""
    return load_configs(folder, MethodConfig, kind="methods", like="configs/imbalance")


def trained_for(methods: Mapping[str, MethodConfig], condition: Condition, ranked: Condition
                ) -> dict[str, MethodConfig]:
    """The same methods trained for patterns of a condition, and judged under it and the one that they are ranked by.

    Trained for "ideal" nothing is measured and no centre looked for; elsewhere `ideal_share` and `centre` stay, and the
    logarithm's floor is one electron at least.
    """
    judged_under = tuple(name for name in dict.fromkeys((condition, ranked)) if name != "ideal")

    def one(train: TrainClassifierConfig) -> TrainClassifierConfig:
        if condition != "ideal":
            measured = CONDITIONS[condition]
            floor = max(train.intensity.floor, 1 / measured.electrons if measured.electrons else 0.0)
            return train.model_copy(update={"measurement": measured, "judged_under": judged_under,
                                            "intensity": train.intensity.model_copy(update={"floor": floor})})
        model = (train.model.model_copy(update={"centre": False})
                 if isinstance(train.model, ComparisonConfig | SymmetryConfig) else train.model)
        return train.model_copy(update={"measurement": None, "ideal_share": 0.0, "judged_under": judged_under,
                                        "model": model})
    return {name: method.model_copy(update={"train": one(method.train)}) for name, method in methods.items()}


def plan(methods: Mapping[str, MethodConfig], seeds: Iterable[int], *, stacks: Path, split: Path, out: Path
         ) -> RankingRuns:
    """List the runs; a run is named by what decides it, so that methods share it, and later ones too.

    Parameters
    ----------
    methods, seeds : of the ranking
    stacks, split : files
    out : folder of all runs
    """
    trainings: dict[Path, Job] = {}
    heads: dict[Path, HeadJob] = {}
    members: dict[str, list[Path]] = {name: [] for name in methods}
    for seed in seeds:
        for name, method in methods.items():
            config = method.train.model_copy(update={"seed": seed})
            folder = out / "trainings" / f"{digest(config)[:12]}-seed{seed}"
            trainings.setdefault(folder, Job(name, seed, config, stacks, split, None, folder, out / "cache"))
            if method.post_hoc is not None:
                trained, mending = folder, PostHocConfig(seed=seed, threads=config.threads, device=config.device,
                                                         method=method.post_hoc)
                folder = out / "heads" / f"{digest([digest(config), digest(mending)])[:12]}-seed{seed}"
                heads.setdefault(folder, HeadJob(name, seed, mending, stacks, split,
                                                 trained / "classifier.safetensors", folder))
            members[name].append(folder)
    return RankingRuns(list(trainings.values()), list(heads.values()), members)


def windows(seeds: int, members: int) -> list[list[int]]:
    """Places of the networks in each ensemble, [seeds][members]: i, i + 1, ... in turn; all alike if members = seeds.

    No network is trained for an ensemble alone, and each takes part in as many as any other.
    """
    return [[(first + k) % seeds for k in range(members)] for first in range(seeds)]
