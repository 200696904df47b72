"""label-next [stage]: rank a user's own unlabelled materials by what their labels would teach the classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cbedgan.boundary.points import boundary_points
from classifier.foundation.atomic import write_json
from classifier.foundation.errors import InputError
from classifier.prediction.acquire import Pool, Ranking, rank, see
from classifier.prediction.predict import load_classifier
from classifier.prediction.strategy import Strategy
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile


@dataclass(frozen=True)
class Hints:
    """What some strategies need besides classifiers and pool, None where it is not given.

    stacks, split: what the classifiers were trained on (core_set); probe, generator: of the boundary (boundary).
    """

    stacks: Path | None
    split: Path | None
    probe: Path | None
    generator: Path | None

    def require(self, strategy: Strategy) -> None:
        """Refuse half a pair, and a strategy without its pair."""
        for names, user in ((("stacks", "split"), "core_set"), (("probe", "generator"), "boundary")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) == 1 or (strategy == user and not given):
                raise InputError(source="label-next", rule=f"{names[0]} and {names[1]} must be given together, and "
                                 f"always with the strategy {user}", value=given[0] if given else "neither",
                                 remedy=f"Give --{names[0]} and --{names[1]}.")


def label_next(strategy: Strategy, *, classifiers: Sequence[Path], pool: Path, count: int, seed: int, hints: Hints,
               out: Path) -> Ranking:
    """Rank at most `count` materials of the stack file `pool`, and write the list to `out` as JSON.

    Labels in the pool are not read; a stack that names no material is one of its own. Where the training's stacks and
    split are given, materials of that split, held-out ones too, are left out of the ranking.

    Parameters
    ----------
    strategy : how to choose
    classifiers, pool : files
    count : of materials
    seed : of the strategy random
    hints : what some strategies need
    out : file to write
    """
    hints.require(strategy)
    members = [load_classifier(path) for path in classifiers]
    for path, member in zip(classifiers, members, strict=True):
        if member.class_map != members[0].class_map:
            raise InputError(source=path, rule="all classifiers must know the same space groups",
                             value=f"{len(member.class_map)} others", remedy="Train them on one split.")
    parted, centres, points = None, None, None
    if hints.split is not None and hints.stacks is not None:
        with StackFile(hints.stacks) as file:
            parted = load_split(hints.split, stack_digest=file.identity)
        if strategy == "core_set":
            centres = see(members[0], hints.stacks, parted.parts["train"]).features
    if strategy == "boundary" and hints.probe is not None and hints.generator is not None:
        points = boundary_points(hints.probe, hints.generator, members[0])
    sample_ids, material, digest = _unlabelled(pool, parted)
    seen = Pool.of(members, pool, sample_ids=sample_ids, material=material, labelled=centres)
    ranking = rank(strategy, seen, count=count, rng=np.random.default_rng(seed), boundary=points)
    write_json(Path(out), {
        "strategy": strategy, "seed": seed, "pool": digest, "classifiers": [member.digest for member in members],
        "ranking": [{"material": str(name), "score": float(score) if np.isfinite(score) else None}
                    for name, score in zip(ranking.material, ranking.score, strict=True)]})
    return ranking


def _unlabelled(pool: Path, split: Split | None) -> tuple[list[str], np.ndarray, str]:
    """Sample ids [N] and materials [N] of the pool that no part of the split holds, and the file's digest."""
    with StackFile(pool) as file:
        table, digest = file.table, file.digest
    material = np.where(table.material == "", table.sample_id, table.material)
    labelled = [] if split is None else [name for part in split.materials.values() for name in part]
    free = ~np.isin(material, labelled)
    if not free.any():
        raise InputError(source=pool, rule="the pool must hold a material that the split does not",
                         value=f"{len(np.unique(material))} materials, all of them in it", remedy="Give other stacks.")
    return table.sample_id[free].tolist(), material[free], digest
