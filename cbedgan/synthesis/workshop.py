"""From candidate latents to stacks, accepted or not, with all that they carry: labels, probabilities, provenance."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from cbedgan.gan.network.generator import TrainedGenerator
from cbedgan.synthesis.acceptance import AcceptanceConfig, CandidateStacks, Reference, decide
from cbedgan.synthesis.latents import Candidates
from cbedgan.synthesis.provenance import synthetic_table
from classifier.prediction.predict import TrainedClassifier
from classifier.samples.stackfile import SampleTable


@dataclass(frozen=True, eq=False)
class Workshop:
    """What every candidate passes through: the generator, both classifiers, and the limits set by real stacks."""

    generator: TrainedGenerator
    first: TrainedClassifier
    second: TrainedClassifier
    reference: Reference
    limits: AcceptanceConfig


@dataclass(frozen=True, eq=False)
class Made:
    """Candidates made and decided on: intensity float32 [n, 3, H, W], code [n] (see acceptance.decide), and the
    probabilities [n, K] that the first and the second classifier give."""

    intensity: np.ndarray
    code: np.ndarray
    first: np.ndarray
    second: np.ndarray


def make(workshop: Workshop, candidates: Candidates, *, batch: int) -> Made:
    """Make the candidates' stacks, `batch` at a time; decide on them as they will be read: from physical intensity."""
    claimed = np.stack([np.full(len(candidates), candidates.space_group), candidates.partner], 1)
    claimed_idx = torch.from_numpy(workshop.second.class_map.indices(claimed))
    parts = []
    for rows in torch.arange(len(candidates)).split(batch):
        with torch.no_grad():
            intensity = workshop.generator.intensity.denormalise(workshop.generator.synthesise(candidates.w[rows]))
            x = workshop.second.intensity.normalise(intensity)
            first = workshop.first.logits(workshop.first.intensity.normalise(intensity)).softmax(1)
            second = workshop.second.logits(x).softmax(1)
            code = decide(CandidateStacks(x, intensity, second, workshop.second.model.features(x), claimed_idx[rows]),
                          workshop.reference, workshop.limits)
        parts.append([values.contiguous().numpy() for values in (intensity, code, first, second)])
    return Made(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def table(workshop: Workshop, candidates: Candidates, made: Made, rows: Int[np.ndarray, " m"], *,
          first: int) -> SampleTable:
    """Table of some candidates, each a material of its own whose provenance is enough to make it again (regenerate).

    Parameters
    ----------
    workshop : its class map, and the generator's digest
    candidates, made : the latents, and what came of them
    rows : of the candidates in the table
    first : number of candidate 0 in its group
    """
    class_map, group = workshop.second.class_map, candidates.space_group
    records = [{**candidates.records[i], "generator_digest": workshop.generator.digest,
                "soft_label": soft_label(made.first[i] + made.second[i], group, int(candidates.partner[i]), workshop),
                "p_first": _shares(made.first[i], class_map.space_groups),
                "p_second": _shares(made.second[i], class_map.space_groups)} for i in rows.tolist()]
    names = [f"{record['kind']}-{group}-{first + i:06d}" for i, record in zip(rows.tolist(), records, strict=True)]
    return synthetic_table(names, group, records)


def soft_label(probability: Float[np.ndarray, " K"], space_group: int, partner: int,
               workshop: Workshop) -> dict[str, float]:
    """Return {space_group: share}.

    An interior stack (its own partner) belongs to its group alone. A boundary stack shares its label between the two
    groups as the classifiers do on average, so that the label's entropy never exceeds ln 2.

    Parameters
    ----------
    probability : of both classifiers, summed
    space_group, partner : of the stack
    workshop : its class map
    """
    if space_group == partner:
        return {str(space_group): 1.0}
    pair = probability[workshop.second.class_map.indices(np.array([space_group, partner]))].astype(np.float64)
    share = float(pair[0] / pair.sum())
    return {str(space_group): share, str(partner): 1 - share}


def _shares(probability: np.ndarray, space_groups: tuple[int, ...]) -> dict[str, float]:
    """Probabilities [K] of at least 1 %, as {space_group: probability}."""
    return {str(space_groups[k]): round(float(probability[k]), 4) for k in np.flatnonzero(probability >= 0.01).tolist()}
