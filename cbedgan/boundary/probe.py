"""probe [stage]: the boundaries between rare groups and their partners, seen through the generator -> probe.h5."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from cbedgan.boundary.latents import latents, z_seeds
from cbedgan.boundary.margin import Judge, LatentPaths
from cbedgan.boundary.pairs import Pairs, choose_pairs, first_known, soft_confusion
from cbedgan.boundary.probefile import ProbedPaths, read_probe, write_probe
from cbedgan.boundary.record import require_same, stage_record
from cbedgan.boundary.trace import TraceConfig, trace
from cbedgan.gan.generator import TrainedGenerator, load_generator
from classifier.config import Config
from classifier.dataset import load_stack_set
from classifier.errors import InputError
from classifier.metrics import shot_class, softmax
from classifier.predict import TrainedClassifier, load_classifier, predict_logits
from classifier.run import progress
from classifier.split import Split, load_split
from classifier.stackfile import StackFile
from classifier.train import reproducible

QUANTILES = (0.5, 0.9, 0.99)


class ProbeConfig(Config):
    """Which paths are probed, and how.

    shots: groups to probe, by their training materials; partners: most confused groups that each is probed against,
    and number of random controls; paths: of every kind and pair, each from its own latents; kinds: as in LatentPaths;
    paths_at_once: traced in one batch; batch: images a forward pass.
    """

    seed: int
    threads: int
    shots: tuple[Literal["few", "medium", "many"], ...]
    partners: int
    paths: int
    kinds: tuple[Literal["class", "latent", "w"], ...]
    trace: TraceConfig
    paths_at_once: int
    batch: int


def probe(config: ProbeConfig, *, generator: Path, classifier: Path, stacks: Path, split: Path, out: Path) -> Path:
    """Write probe.h5: every path of every pair, its crossings and its boundary point; a finished file is kept.

    Generator and classifier must come from this split. Real stacks only choose the pairs: those of the validation
    part or, for groups that have none there, of the train part; never those of the test part.
    """
    out = Path(out)
    with StackFile(stacks) as file:
        held = load_split(split, stack_digest=file.digest)
    source = load_generator(generator, split_digest=held.digest)
    judged = load_classifier(classifier, split_digest=held.digest)
    record = stage_record("probe", config, {"generator": source.digest, "classifier": judged.digest,
                                            "stacks": held.stack_digest, "split": held.digest})
    if out.exists():
        require_same(out, read_probe(out).provenance, record)
        return out
    with reproducible(config.threads):
        pairs, confusion_from = find_pairs(config, judged, held, stacks)
        begin = time.perf_counter()
        paths = probe_pairs(config, source, judged, pairs)
        speed = {"paths_per_second": len(paths) / (time.perf_counter() - begin), "threads": config.threads}
    write_probe(out, paths, provenance=record, summary={**summarise(paths), "confusion_from": confusion_from, **speed})
    return out


def find_pairs(config: ProbeConfig, classifier: TrainedClassifier, held: Split,
               stacks: Path) -> tuple[Pairs, dict[str, str]]:
    """Choose the pairs by soft confusion; also {space_group: part of the split that its confusion was measured on}."""
    class_map, materials = classifier.class_map, classifier.training_materials.numpy()
    rare = np.flatnonzero(np.isin(shot_class(materials), config.shots) & (materials > 0))
    if not len(rare):
        raise InputError(source="shots", rule="must name groups that have training materials", value=config.shots,
                         remedy=f"The groups have {materials.tolist()} training materials.")

    def confusion(sample_ids: tuple[str, ...]) -> np.ndarray:
        real = load_stack_set(stacks, class_map=class_map, view=classifier.view, intensity=classifier.intensity,
                              sample_ids=sample_ids)
        return soft_confusion(softmax(predict_logits(classifier.model, real.x)), real.class_idx.numpy())

    validation = confusion(held.parts["validation"])
    unknown = [class_map.space_group(k) for k in rare if np.isnan(validation[k]).any()]
    with StackFile(stacks) as file:
        group = dict(zip(file.table.sample_id.tolist(), file.table.space_group.tolist(), strict=True))
    stand_in = confusion(tuple(name for name in held.parts["train"] if group[name] in unknown))
    rows, place = first_known(validation, stand_in)
    return (choose_pairs(rows, rare, partners=config.partners, seed=config.seed),
            {str(class_map.space_group(k)): ("validation", "train")[place[k]] for k in rare})


def probe_pairs(config: ProbeConfig, generator: TrainedGenerator, classifier: TrainedClassifier,
                pairs: Pairs) -> ProbedPaths:
    """Trace config.paths paths of every kind for every pair, paths_at_once together."""
    judge = Judge.of(generator, classifier, batch=config.batch)
    pair, number = (index.ravel() for index in np.indices((len(pairs), config.paths)))
    found = []
    with progress("probe", len(pair) * len(config.kinds)) as bar:
        for kind in config.kinds:
            for start in range(0, len(pair), config.paths_at_once):
                part = slice(start, start + config.paths_at_once)
                found.append(_probe_batch(config, generator, judge, pairs, kind, pair[part], number[part]))
                bar.advance(len(pair[part]))
    return ProbedPaths.concatenate(found)


def _probe_batch(config: ProbeConfig, generator: TrainedGenerator, judge: Judge, pairs: Pairs, kind: str,
                 pair: np.ndarray, number: np.ndarray) -> ProbedPaths:
    """Trace path number[i] of pair[i] for all i in one batch."""
    a, b = pairs.a[pair], pairs.b[pair]
    group_a, group_b = (np.asarray(generator.class_map.space_groups)[index] for index in (a, b))
    # Path i of a group begins at the same sample whatever the partner and the kind, so that distances can be compared.
    seed_a = np.concatenate([z_seeds(config.seed, g, n=1, first=i) for g, i in zip(group_a, number, strict=True)])
    seed_b = seed_a if kind == "class" else np.concatenate(
        [z_seeds(config.seed, g, n=1, first=i) for g, i in zip(group_b, number, strict=True)])
    z_a, z_b = (latents(seeds, generator.latent_dim) for seeds in (seed_a, seed_b))
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    with torch.no_grad():
        paths = LatentPaths(kind, generator.mapping, z_a, z_b, generator.embed(a), generator.embed(b))
    measured = trace(judge, paths, a, b, config.trace)
    return ProbedPaths(
        space_group_a=group_a, space_group_b=group_b, control=pairs.control[pair], confusion=pairs.confusion[pair],
        kind=np.full(len(pair), kind), z_seed_a=seed_a, z_seed_b=seed_b, z_a=z_a.numpy(), z_b=z_b.numpy(), **measured)


def summarise(paths: ProbedPaths) -> dict[str, Any]:
    """Success of every kind of path: shares that begin in their class, cross, and gained by the polish; residuals."""
    summary: dict[str, Any] = {}
    for kind in np.unique(paths.kind):
        rows = paths.take(paths.kind == kind)
        crossed = np.isfinite(rows.crossing)
        gap = np.abs(rows.p_a - rows.p_b)[crossed]
        summary[str(kind)] = {
            "paths": len(rows), "begins_in_a": float((rows.margin_at_a >= 0).mean()),
            "ends_in_b": float((rows.margin_at_b < 0).mean()), "crossed": float(crossed.mean()),
            "polished": float(rows.polished[crossed].mean()) if crossed.any() else 0.0,
            "probability_gap_quantiles": dict(zip(map(str, QUANTILES), np.quantile(gap, QUANTILES).tolist(),
                                                  strict=True)) if crossed.any() else {}}
    return summary
