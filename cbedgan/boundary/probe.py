"""probe [stage]: the boundaries between rare groups and their partners, seen through the generator -> probe.h5."""

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from cbedgan.boundary.margin import LatentClassifier, LatentPaths
from cbedgan.boundary.pairs import Pairs, choose_pairs, first_measured, soft_confusion
from cbedgan.boundary.plan import PathPlan, follow_rivals, plan_pairs
from cbedgan.boundary.probefile import ProbedPaths, ProbeFile, read_probe, write_probe
from cbedgan.boundary.trace import TraceConfig, trace
from cbedgan.gan.network.generator import TrainedGenerator, load_generator
from cbedgan.gan.network.latents import latents, z_seeds
from classifier.foundation.config import Config
from classifier.foundation.device import reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress, require_same_run, stage_record
from classifier.prediction.predict import TrainedClassifier, load_classifier, predict_logits
from classifier.samples.dataset import stack_set
from classifier.samples.split import Split, load_split
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import Viewed
from classifier.statistics.metrics import shot_class, softmax

QUANTILES = (0.1, 0.5, 0.9, 0.99)


class ProbeConfig(Config):
    """Which paths are probed, and how.

    shots: groups to probe, by their training materials; partners: most confused groups that each is probed against,
    and number of random controls; paths: of every kind and pair, each from its own latents; kinds: as in LatentPaths;
    follow_rivals: also probe towards the groups that take over on the way to a partner; paths_at_once: traced in one
    batch; batch: images a forward pass.
    """

    seed: int
    threads: int
    shots: tuple[Literal["few", "medium", "many"], ...]
    partners: int
    paths: int
    kinds: tuple[Literal["class", "latent", "w"], ...]
    follow_rivals: bool
    trace: TraceConfig
    paths_at_once: int
    batch: int


def probe(config: ProbeConfig, *, generator: Path, classifier: Path, stacks: Path, split: Path, out: Path) -> Path:
    """Write probe.h5: every path of every pair, its crossings and its boundary point; a finished file is kept.

    Generator and classifier must come from this split. Real stacks only choose the pairs: those of the validation
    part or, for groups that have none there, of the train part; never those of the test part.

    Parameters
    ----------
    config : which paths, and how
    generator, classifier : checkpoints
    stacks, split : the stack file, and split.json
    out : probe.h5
    """
    out = Path(out)
    with StackFile(stacks) as file:
        loaded_split = load_split(split, stack_digest=file.identity)
        trained_generator = load_generator(generator, split_digest=loaded_split.names)
        trained_classifier = load_classifier(classifier, split_digest=loaded_split.names)
        record = stage_record("probe", config, {
            "generator": trained_generator.digest, "classifier": trained_classifier.digest,
            "stacks": loaded_split.stack_digest, "split": loaded_split.digest})
        if out.exists():
            require_same_run(out, read_probe(out).provenance, record)
            return out
        with reproducible(config.threads):
            rare, confusion, confusion_from = measure_confusion(config, trained_classifier, loaded_split, file)
    with reproducible(config.threads):
        pairs = choose_pairs(confusion, rare, partners=config.partners, seed=config.seed)
        begin = time.perf_counter()
        paths = probe_pairs(config, trained_generator, trained_classifier, pairs, confusion)
        speed = {"paths_per_second": len(paths) / (time.perf_counter() - begin), "threads": config.threads}
    write_probe(out, ProbeFile(paths, record, {**summarise(paths), "confusion_from": confusion_from, **speed}))
    return out


def measure_confusion(config: ProbeConfig, classifier: TrainedClassifier, split: Split, stacks: StackFile
                      ) -> tuple[Int[np.ndarray, " R"], Float[np.ndarray, "K K"], dict[str, str]]:
    """Return the rare classes, the soft confusion of real stacks, and {space_group: part it came from}.

    Parameters
    ----------
    config : whose `shots` say which classes are rare
    classifier : that confuses them
    split, stacks : the parts, and the open file that they are of
    """
    class_map, materials = classifier.class_map, classifier.training_materials.numpy()
    rare = np.flatnonzero(np.isin(shot_class(materials), config.shots) & (materials > 0))
    if not len(rare):
        raise InputError(source="shots", rule="must name groups that have training materials", value=config.shots,
                         remedy=f"The groups have {materials.tolist()} training materials.")

    def confusion(sample_ids: tuple[str, ...]) -> np.ndarray:
        viewed = Viewed.of(stacks, classifier.view, sample_ids)
        real = stack_set(viewed.read(), viewed.table(), class_map=class_map, transform=classifier.intensity,
                         source=stacks.path)
        return soft_confusion(softmax(predict_logits(classifier.model, real.x)), real.class_idx.numpy())

    validation = confusion(split.parts["validation"])
    missing = [class_map.space_group(k) for k in rare.tolist() if np.isnan(validation[k]).any()]
    group = dict(zip(stacks.table.sample_id.tolist(), stacks.table.space_group.tolist(), strict=True))
    stand_in = confusion(tuple(name for name in split.parts["train"] if group[name] in missing))
    rows, place = first_measured(validation, stand_in)
    return rare, rows, {str(class_map.space_group(k)): ("validation", "train")[place[k]] for k in rare.tolist()}


def probe_pairs(config: ProbeConfig, generator: TrainedGenerator, classifier: TrainedClassifier, pairs: Pairs,
                confusion: Float[np.ndarray, "K K"]) -> ProbedPaths:
    """Trace config.paths paths of every kind for every pair, and then those to their rivals.

    Parameters
    ----------
    config : of the stage
    generator, classifier : of one split
    pairs, confusion : which groups, and what is recorded of them
    """
    latent_classifier, paths = LatentClassifier.of(generator, classifier, batch=config.batch), []

    def traced(kind: str, plan: PathPlan) -> list[ProbedPaths]:
        batches: list[ProbedPaths] = []
        if not len(plan):
            return batches
        with progress(f"probe, {kind} paths{' to rivals' if plan.followed.any() else ''}", len(plan)) as bar:
            for start in range(0, len(plan), config.paths_at_once):
                part = plan.take(slice(start, start + config.paths_at_once))
                batches.append(_probe_batch(config, generator, latent_classifier, kind, part, confusion))
                bar.advance(len(part))
        return batches

    for kind in config.kinds:
        plan = plan_pairs(pairs, config.paths)
        batches = traced(kind, plan)
        if config.follow_rivals:
            rival = np.concatenate([batch.rival for batch in batches])
            class_idx = np.where(rival > 0, np.searchsorted(generator.class_map.space_groups, rival), -1)
            batches += traced(kind, follow_rivals(plan, class_idx))
        paths += batches
    return ProbedPaths.concatenate(paths)


def _probe_batch(config: ProbeConfig, generator: TrainedGenerator, latent_classifier: LatentClassifier, kind: str,
                 plan: PathPlan, confusion: np.ndarray) -> ProbedPaths:
    """Trace the planned paths in one batch."""
    space_groups = np.asarray(generator.class_map.space_groups)
    group_a, group_b = space_groups[plan.a], space_groups[plan.b]
    # Path i of a group begins at the same sample whatever the partner and the kind, so that distances can be compared.
    seed_a = _seeds(config.seed, group_a, plan.number)
    seed_b = seed_a if kind == "class" else _seeds(config.seed, group_b, plan.number)
    z_a, z_b = (latents(seeds, generator.latent_dim) for seeds in (seed_a, seed_b))
    a, b = torch.from_numpy(plan.a), torch.from_numpy(plan.b)
    with torch.no_grad():
        paths = LatentPaths.of(kind, generator, z_a, z_b, a, b)
    measured = trace(latent_classifier, paths, a, b, config.trace)
    rival = measured.pop("rival")
    return ProbedPaths(
        space_group_a=group_a, space_group_b=group_b, control=plan.control, followed=plan.followed,
        confusion=confusion[plan.a, plan.b], kind=np.full(len(plan), kind), z_seed_a=seed_a, z_seed_b=seed_b,
        z_a=z_a.numpy(), z_b=z_b.numpy(), rival=np.where(rival >= 0, space_groups[rival], 0), **measured)


def _seeds(seed: int, space_group: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Seed of the latent number[i] of space_group[i], int64 [P]."""
    return np.concatenate([z_seeds(seed, group, n=1, first=i)
                           for group, i in zip(space_group.tolist(), number.tolist(), strict=True)])


def summarise(paths: ProbedPaths) -> dict[str, Any]:
    """Success of every kind of path, in shares, and quantiles of |p_a - p_b| and p_a + p_b of its boundary points."""
    summary: dict[str, Any] = {}
    for kind in np.unique(paths.kind):
        rows = paths.take(paths.kind == kind)
        crossed = np.isfinite(rows.crossing)
        summary[str(kind)] = {
            "paths": len(rows), "followed": int(rows.followed.sum()),
            "begins_in_a": float((rows.margin_at_a >= 0).mean()), "ends_in_b": float((rows.margin_at_b < 0).mean()),
            "crossed": float(crossed.mean()), "polished": _mean(rows.polished[crossed]),
            "probability_gap": _quantiles(np.abs(rows.p_a - rows.p_b)[crossed]),
            "pair_probability": _quantiles((rows.p_a + rows.p_b)[crossed & ~rows.control]),
            "pair_probability_of_controls": _quantiles((rows.p_a + rows.p_b)[crossed & rows.control])}
    return summary


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {str(q): float(np.quantile(values, q)) for q in QUANTILES} if len(values) else {}
