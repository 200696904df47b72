"""choose [stage]: a pool of drawn crystals' stacks, and classifiers -> stacks chosen by what these say of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field
from scipy.special import softmax

from cbedgan.choice.preference import Preference, drawn
from cbedgan.simulate.held_out import HeldOut
from classifier.foundation.atomic import write_json
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.foundation.run import require_same_run, stage_record
from classifier.pattern.condition import Condition
from classifier.prediction.ensemble import ensemble
from classifier.prediction.predict import OwnStacks, Predictions, TrainedClassifier, load_classifier, predict_logits
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, StackWriter

AT_ONCE = 256  # stacks that are copied
Count = Annotated[int, Field(ge=0)]


class ChooseConfig(Config):
    """counts: stacks of each space group, or one number for every group of the pool; condition: under which the
    classifiers see the pool, as measured copies where it is not "ideal"."""

    seed: Annotated[int, Field(ge=0)]
    counts: dict[int, Count] | Count
    preference: Preference
    condition: Condition = "ideal"


class Verdicts(NamedTuple):
    """What the classifiers say of a pool: the probability of each stack's own group, and the group they answer."""

    probability: Float[np.ndarray, " n"]
    answer: np.ndarray


def choose(config: ChooseConfig, *, pool: Path, classifiers: Sequence[Path], stacks: Path, split: Path, out: Path
           ) -> Path:
    """Write out, a stack file of rows of the pool as they are, and OUT.report.json; one there is kept.

    Rows whose structure type, formula or material validation or test of the split hold are passed over, so that the
    file can be trained on beside the split's stacks. It says what it was chosen by; the classifiers must be of this
    split.

    Parameters
    ----------
    config : how many, and which
    pool : stack file of simulated crystals of known groups
    classifiers : checkpoints, whose probabilities are averaged
    stacks, split : what the classifiers were trained on
    out : file to write
    """
    out = Path(out)
    with StackFile(stacks) as file:
        parted = load_split(split, stack_digest=file.identity)
        held_out = HeldOut.of(split, stacks)
    members = [load_classifier(path, split_digest=parted.names) for path in classifiers]
    with StackFile(pool) as file:
        record = stage_record("choose", config, {
            "pool": file.digest, "split": parted.digest, "stacks": parted.stack_digest,
            **{f"classifier {rank}": member.digest for rank, member in enumerate(members)}})
        if out.exists():
            with StackFile(out) as made:
                require_same_run(out, made.provenance, record)
            return out
        free = _free(file, held_out, parted.materials)
        seen = look(members, pool, config.condition)
        rows = chosen_rows(config, file.table.space_group, free, seen)
        if not len(rows):
            raise InputError(source=pool, rule="the pool must hold crystals that validation and test do not",
                             value=f"{int(free.sum())} of {len(free)}", remedy="Draw more, or raise counts.")
        # The report first: whoever finds the file finds its report.
        write_json(out.with_name(f"{out.name}.report.json"), _report(file.table.space_group, free, rows, seen))
        _copy(file, rows, record, out)
    return out


def look(members: Sequence[TrainedClassifier], pool: Path, condition: Condition) -> Verdicts:
    """Show the pool to classifiers of one class map; groups that they do not know are given the probability 0."""
    told: list[Predictions] = []
    for member in members:
        own = OwnStacks.read(pool, member, condition)
        told.append(own.predictions(predict_logits(member.model, own.x, own.pose)))
    together = ensemble(told)
    own_class = together.space_group[:, None] == np.asarray(together.class_map.space_groups)
    return Verdicts((softmax(together.logits, axis=1) * own_class).sum(axis=1), together.predicted())


def chosen_rows(config: ChooseConfig, space_group: np.ndarray, free: Bool[np.ndarray, " n"], seen: Verdicts
                ) -> np.ndarray:
    """Rows of the pool in ascending order; those of a group depend on its own rows and the seed alone.

    Parameters
    ----------
    config : how many, and which
    space_group : int [n], of the pool
    free : whether a row may be taken
    seen : by the classifiers
    """
    counts = config.counts if isinstance(config.counts, dict) else dict.fromkeys(
        np.unique(space_group).tolist(), config.counts)
    rows = [np.array([], dtype=int)]
    for group, count in counts.items():
        there = np.flatnonzero((space_group == group) & free)
        generator = np.random.default_rng([config.seed, group])
        rows.append(there[drawn(config.preference.weights(seen.probability[there]), count, generator)])
    return np.sort(np.concatenate(rows))


def _free(pool: StackFile, held_out: HeldOut, materials: dict[str, tuple[str, ...]]) -> Bool[np.ndarray, " n"]:
    table = pool.table
    if not (table.structure_type != "").all():
        raise InputError(source=pool.path, rule="every stack of the pool must name its structure type",
                         value=f"{int((table.structure_type == '').sum())} that do not",
                         remedy="Give stacks that simulate or sample wrote.")
    held = [name for part in ("validation", "test") for name in materials[part]]
    return held_out.free(table) & ~np.isin(table.material, held)


def _copy(pool: StackFile, rows: np.ndarray, record: dict[str, Any], out: Path) -> None:
    table = pool.table.take(rows)
    table = replace(table, partition=np.full(len(rows), "train"))
    writer = StackWriter(out, detector=pool.detector, pose=pool.pose, intensity_unit=pool.intensity_unit,
                         provenance=record, mantissa_bits=pool.mantissa_bits)
    with writer:
        for first in range(0, len(rows), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            writer.append(pool.read(rows[some]), table.take(np.arange(len(rows))[some]))


def _report(space_group: np.ndarray, free: np.ndarray, rows: np.ndarray, seen: Verdicts) -> dict[str, Any]:
    """By group: how many there were and are, how sure of their group the classifiers were, and what they said."""
    taken = np.zeros(len(free), dtype=bool)
    taken[rows] = True

    def of(group: int) -> dict[str, Any]:
        pool, mine = (space_group == group) & free, (space_group == group) & taken
        wrong = Counter(seen.answer[mine & (seen.answer != group)].tolist())
        return {"passed over": int(((space_group == group) & ~free).sum()), "pool": int(pool.sum()),
                "chosen": int(mine.sum()), "mean probability, pool": _mean(seen.probability[pool]),
                "mean probability, chosen": _mean(seen.probability[mine]),
                "taken for": {str(other): number for other, number in wrong.most_common(5)}}
    return {"groups": {str(group): of(group) for group in np.unique(space_group).tolist()}, "chosen": int(taken.sum()),
            "mean probability, pool": _mean(seen.probability[free]),
            "mean probability, chosen": _mean(seen.probability[taken])}


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
