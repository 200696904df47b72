"""Answers to a user's own stacks, by one classifier or several: what each may be, how sure, or why it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classifier.crystal.levels import level_matrix
from classifier.crystal.spacegroup import ClassMap, symbol
from classifier.crystal.subgroups import neighbours
from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition
from classifier.pattern.plausibility import measure
from classifier.prediction.ensemble import mean_log_probability
from classifier.prediction.predict import OwnStacks, Predictions, TrainedClassifier, predict_with_features
from classifier.prediction.side_data import properties, task_answers
from classifier.prediction.trust import Trust, confidence_threshold, plausible_probability
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.statistics.conformal import least_probability
from classifier.statistics.metrics import SHOT_CLASSES, shot_class, softmax

SHOWN_LEVELS = ("crystal_system", "bravais_lattice", "point_group")
NEAREST = 3  # training materials named for a stack
COVERAGE = 0.95  # of the plausible groups, unless another is asked
LARGEST = 1e9  # strangeness of what is mixed up
SIBLING_SHARE = 0.1  # of the first group's probability: what counts as not ruled out where no validation tells


@dataclass(frozen=True)
class Answer:
    """What is said of one stack; it is answered when nothing speaks for refusing it.

    groups: (space group, probability) from the most probable on; plausible: all that the true one is among as often as
    was asked (see Rules.of), the first at least; siblings: direct sub- and supergroups of the first that are not ruled
    out; unknown: its sub- and supergroups that the classifier never saw, and so cannot rule out; levels: {level: (name,
    probability)}; nearest: (material, space group, distance); strangeness: above 1 a stack is out of the distribution
    of training, and refused; properties: what the heads of added tasks say (cell, elements, ...; see task_answers),
    uncalibrated, of refused stacks too; explanation: what symmetry the patterns show, JSON content (the
    room `explanation`), None where it was not asked for.
    """

    sample_id: str
    refusals: tuple[str, ...]
    groups: tuple[tuple[int, float], ...]
    siblings: tuple[tuple[int, float], ...]
    unknown: tuple[int, ...]
    levels: dict[str, tuple[str, float]]
    nearest: tuple[tuple[str, int, float], ...]
    strangeness: float
    properties: dict[str, Any] = field(default_factory=dict)
    plausible: tuple[tuple[int, float], ...] = ()
    explanation: tuple[dict[str, Any], ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON content."""
        return {"sample_id": self.sample_id, "verdict": "refused" if self.refusals else "answered",
                "refusals": list(self.refusals), "strangeness": self.strangeness,
                "groups": [_group(*entry) for entry in self.groups],
                "plausible_groups": [_group(*entry) for entry in self.plausible],
                "siblings_not_ruled_out": [_group(*entry) for entry in self.siblings],
                "siblings_unknown_to_classifier": list(self.unknown),
                "levels": {level: {"name": name, "probability": p} for level, (name, p) in self.levels.items()},
                "nearest_training_materials": [{"material": material, "space_group": group, "distance": distance}
                                               for material, group, distance in self.nearest],
                **({"properties": self.properties} if self.properties else {}),
                **({} if self.explanation is None else {"explanation": list(self.explanation)})}


@dataclass(frozen=True)
class Rules:
    """The rules of the verdicts: confidence needed for the accuracy asked, and the probability that rules a group out.

    plausible: None where validation is too small to tell, and SIBLING_SHARE decides; fitted: whether every classifier
    carries trust; without it nothing is refused and nothing calibrated; coverage: how often the true group is to be
    among the plausible ones; in_set: the probability of each class that makes it one of them.
    """

    accuracy: float
    confidence: float
    plausible: float | None
    fitted: bool
    coverage: float = COVERAGE
    in_set: tuple[float, ...] = ()

    @classmethod
    def of(cls, classifiers: Sequence[TrainedClassifier], accuracy: float, coverage: float = COVERAGE) -> "Rules":
        """Choose them on validation: on the mean of the classifiers where they share one, else on all together.

        The plausible groups hold the true one as often as asked on average over the few-shot groups, over the medium
        and over the many, of crystals drawn as those of validation; of a single group nothing is promised.
        """
        trusts = [classifier.trust for classifier in classifiers if classifier.trust is not None]
        if len(trusts) < len(classifiers):
            return cls(accuracy, 0.0, None, False, coverage)
        first, together = trusts[0], len({classifier.split_digest for classifier in classifiers}) == 1
        if together and all(np.array_equal(first.class_idx, other.class_idx) for other in trusts):
            trusted = np.mean([trust.validation for trust in trusts], axis=0)
            truth, weight = first.class_idx, first.weight
        else:
            trusted, truth, weight = (np.concatenate([getattr(trust, name) for trust in trusts])
                                      for name in ("validation", "class_idx", "weight"))
        correct = trusted.argmax(axis=1) == truth
        shot = shot_class(classifiers[0].training_materials.numpy())
        kind = (shot[:, None] == np.array(SHOT_CLASSES)).argmax(axis=1)
        return cls(accuracy, confidence_threshold(trusted.max(axis=1), correct, weight, accuracy),
                   plausible_probability(trusted, truth), True, coverage,
                   tuple(least_probability(trusted, truth, kind, coverage).tolist()))


def answer_stacks(classifiers: Sequence[TrainedClassifier], stacks: Path, *, top: int, accuracy: float,
                  coverage: float = COVERAGE, condition: Condition = "ideal", split: Path | None = None
                  ) -> tuple[list[Answer], Rules, Predictions]:
    """Answer every stack of a file, labelled or not, with the mean of the classifiers' calibrated probabilities.

    A stack is refused when its pattern is implausible, its features lie farther from the training's than 99 % of
    validation's (mean over the classifiers), or its confidence is below what reached `accuracy` on validation.
    Predictions: of one classifier its logits as they are, of several the logarithm of their mean; part: see `parts_of`.

    Parameters
    ----------
    classifiers, stacks : of one class map; sample file
    top, accuracy : space groups in an answer; what answers are to reach
    coverage : how often the true group is to be among the plausible ones
    condition : under which the stacks are measured before they are answered
    split : of these stacks, where they are what was parted
    """
    class_map = classifiers[0].class_map
    for other in classifiers[1:]:
        if other.class_map != class_map:
            raise InputError(source="an ensemble", rule="all classifiers must know the same space groups",
                             value=f"{len(class_map)} and {len(other.class_map)} groups, or others",
                             remedy="Give classifiers of one class map.")
    rules = Rules.of(classifiers, accuracy, coverage)
    each, looks, told = zip(*(_asked(classifier, stacks, rules, condition) for classifier in classifiers), strict=True)
    # One classifier's own logits leave as they are, uncalibrated, for whoever compares them.
    logits = mean_log_probability(np.stack([
        one.logits if classifier.trust is None else classifier.trust.calibrated_logits(one.logits)
        for one, classifier in zip(each, classifiers, strict=True)]))
    probability = softmax(logits)
    answers = [_answer(sample_id, p, [look.of(row) for look in looks if look is not None], class_map, rules, top)
               for row, (sample_id, p) in enumerate(zip(each[0].sample_id.tolist(), probability, strict=True))]
    if named := properties(classifiers, told):
        answers = [replace(answer, properties=of) for answer, of in zip(answers, named, strict=True)]
    together = each[0] if len(each) == 1 else _mean(each, logits)
    return answers, rules, replace(together, part=parts_of(classifiers, together, stacks, split))


def parts_of(classifiers: Sequence[TrainedClassifier], predictions: Predictions, stacks: Path, split: Path | None
             ) -> np.ndarray:
    """The part of each stack, str [N]: as a split of the file says, else "train" where a classifier learned from its
    material, and "" for all others, which may be those that chose its thresholds."""
    if split is not None:
        with StackFile(stacks) as file:
            parts = load_split(split, stack_digest=file.identity).parts
        of = {sample_id: part for part, names in parts.items() for sample_id in names}
        return np.array([of.get(sample_id, "") for sample_id in predictions.sample_id.tolist()], dtype=str)
    learned = [one.trust.bank.material for one in classifiers if one.trust is not None]
    return np.where(np.isin(predictions.material, np.concatenate(learned or [np.array([], dtype=str)])), "train", "")


def _mean(each: Sequence[Predictions], logits: np.ndarray) -> Predictions:
    """The predictions of an ensemble; its members may come from several splits."""
    digests = sorted({member.split_digest for member in each})
    return replace(each[0], logits=logits, split_digest=digests[0] if len(digests) == 1 else "",
                   provenance={"ensemble": [member.provenance for member in each],
                               "stack_digest": each[0].provenance["stack_digest"]})


@dataclass(frozen=True, eq=False)
class _Look:
    """How one classifier finds stacks against its training.

    distance: of the features, float64 [N] in units of the usual one; excursion: of the measurements, [N, 3, C];
    complaints: of each stack; nearest: training materials of each; mixed_up: beyond what is allowed, NaN: unknown.
    """

    distance: np.ndarray
    excursion: np.ndarray
    complaints: list[list[str]]
    nearest: list[tuple]
    mixed_up: np.ndarray

    def of(self, row: int) -> tuple[float, float, list[str], tuple, float]:
        """What is said of one stack; of the excursions the largest."""
        return (float(self.distance[row]), float(self.excursion[row].max()), self.complaints[row], self.nearest[row],
                float(self.mixed_up[row]))


def _asked(classifier: TrainedClassifier, stacks: Path, rules: Rules, condition: Condition
           ) -> tuple[Predictions, _Look | None, np.ndarray | None]:
    """What one classifier predicts, its look where trust was fitted, and its answers to added tasks or None."""
    own, network, trust = OwnStacks.read(stacks, classifier, condition), classifier.model, classifier.trust
    logits, features = predict_with_features(network, own.x, own.pose)
    return (own.predictions(logits), _look(own, trust, features) if rules.fitted and trust is not None else None,
            task_answers(network.tasks, features) if network.tasks is not None else None)


def _look(own: OwnStacks, trust: Trust, features: np.ndarray) -> _Look:
    bank, scale, frame = trust.bank, own.classifier.intensity, own.classifier.frame
    seen = measure(own.intensity, scale, frame.grid, shift_pixels=trust.plausibility.shift_pixels)
    rows, distance = bank.nearest(features, NEAREST)
    nearest = [tuple(zip(bank.material[row].tolist(), bank.space_group[row].tolist(), far.tolist(), strict=True))
               for row, far in zip(rows, distance, strict=True)]
    mixed_up = np.full(len(seen), np.nan) if trust.one_crystal is None else trust.one_crystal.excess(
        own.x, torch.from_numpy(own.intensity), own.table.shortest_g_inv_angstrom,
        shortest_g_pixels=1 / frame.detector.pixel_size)
    return _Look(bank.distance(features) / trust.usual_distance, trust.plausibility.excursion(seen),
                 [trust.plausibility.complaints(stack) for stack in seen], nearest, mixed_up)


def _answer(sample_id: str, probability: np.ndarray, looks: list[tuple[float, float, list[str], tuple, float]],
            class_map: ClassMap, rules: Rules, top: int) -> Answer:
    order = np.argsort(-probability, kind="stable")
    ranked = [(class_map.space_groups[k], float(probability[k])) for k in order]
    first, confidence = ranked[0]
    enough = SIBLING_SHARE * confidence if rules.plausible is None else rules.plausible
    near = neighbours(first)
    siblings = tuple(entry for entry in ranked[1:] if entry[0] in near and entry[1] >= enough)
    unknown = tuple(group for group in near if group not in class_map.space_groups)
    least = dict(zip(class_map.space_groups, rules.in_set, strict=True)) if rules.in_set else {}
    plausible = tuple(entry for entry in ranked if least and (entry == ranked[0] or entry[1] >= least[entry[0]]))
    levels = {}
    for level in SHOWN_LEVELS:
        names, matrix = level_matrix(class_map, level)
        summed = probability @ matrix
        levels[level] = (names[int(summed.argmax())], float(summed.max()))
    refusals = list(next((complaints for _, _, complaints, *_ in looks if complaints), []))
    mixed = [excess for *_, excess in looks if not np.isnan(excess)]
    mixed_up = float(np.mean(mixed)) if mixed else -np.inf
    if mixed_up > 0:
        refusals.append("patterns of different crystals: their |g1| and disks share too little")
    far = float(np.mean([distance for distance, *_ in looks])) if looks else 0.0
    if far > 1:
        refusals.append("unlike what was trained on: its features lie "
                        f"{far:.2g} times as far as those of 99 % of validation")
    if rules.fitted and confidence < rules.confidence:
        refusals.append(f"not sure enough: {confidence:.2f}, where "
                        + (f"{rules.confidence:.2f} is needed for an accuracy of {rules.accuracy:.0%}"
                           if np.isfinite(rules.confidence) else
                           f"validation reached an accuracy of {rules.accuracy:.0%} at no confidence"))
    strangeness = max([far, min(float(np.exp(mixed_up)), LARGEST), *(excursion for _, excursion, *_ in looks)])
    return Answer(sample_id, tuple(refusals), tuple(ranked[:top]), siblings, unknown, levels,
                  looks[0][3] if looks else (), strangeness, plausible=plausible)


def _group(space_group: int, probability: float) -> dict[str, Any]:
    return {"space_group": space_group, "symbol": symbol(space_group), "probability": probability}
