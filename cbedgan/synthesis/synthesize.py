"""synthesize [stage]: fill the quota of every group with accepted interior and boundary stacks -> synthetic.h5."""

import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cbedgan.boundary.probefile import read_probe
from cbedgan.gan.network.generator import TrainedGenerator, load_generator
from cbedgan.synthesis.acceptance import ACCEPTED, REASONS, AcceptanceConfig, Reference
from cbedgan.synthesis.latents import Candidates, boundary, interior
from cbedgan.synthesis.provenance import KINDS
from cbedgan.synthesis.quota import SamplingStrategy, resolve_quota
from cbedgan.synthesis.workshop import Workshop, make, table
from classifier.foundation.atomic import read_json, write_json
from classifier.foundation.config import Config
from classifier.foundation.device import reproducible
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress, require_same_run, stage_record
from classifier.prediction.predict import TrainedClassifier, load_classifier
from classifier.samples.dataset import stack_set
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile, StackWriter
from classifier.samples.viewed import Viewed


class SynthesizeConfig(Config):
    """What to make and what to accept.

    sampling_strategy: how many stacks of each kind a group gets; pair_probability, toward_rare, reuse: which boundary
    points are used, and how (latents.boundary); oversample: candidates drawn for each stack that is missing;
    rounds: of drawing at most; batch: stacks made at once.
    """

    seed: int
    threads: int
    sampling_strategy: SamplingStrategy
    pair_probability: float
    toward_rare: tuple[float, float]
    reuse: int
    oversample: float
    rounds: int
    batch: int
    acceptance: AcceptanceConfig


def synthesize(config: SynthesizeConfig, *, probe: Path, generator: Path, classifier: Path, second_classifier: Path,
               stacks: Path, split: Path, out: Path) -> Path:
    """Write synthetic.h5, a stack file of origin "synthetic", and beside it synthetic.json; a finished file is kept.

    All four artefacts must come from this split, and the probe from this generator and classifier. Limits are measured
    on the train part alone. A group that has fewer accepted stacks than its quota is listed, and is no error.

    Parameters
    ----------
    config : what to make, and what to accept
    probe : probe.h5 of this generator and classifier
    generator, classifier, second_classifier : checkpoints; the second classifier decides
    stacks, split : the real stacks, and split.json
    out : synthetic.h5
    """
    out, report = Path(out), Path(out).with_suffix(".json")
    with StackFile(stacks) as file:
        loaded_split, mantissa_bits = load_split(split, stack_digest=file.identity), file.mantissa_bits
        trained_generator = load_generator(generator, split_digest=loaded_split.names)
        first, second = (load_classifier(path, split_digest=loaded_split.names)
                         for path in (classifier, second_classifier))
        probed = read_probe(probe)
        record = stage_record("synthesize", config, {
            "generator": trained_generator.digest, "classifier": first.digest, "second_classifier": second.digest,
            "probe": probed.digest, "stacks": loaded_split.stack_digest, "split": loaded_split.digest})
        _check_inputs(record["inputs"], probed.provenance["inputs"], trained_generator, (first, second))
        if out.exists():
            with StackFile(out) as made:
                require_same_run(out, made.provenance, record)
                if report.exists() and read_json(report).get("digest") == made.digest:
                    return out
        with reproducible(config.threads):
            reference, quota = _measure_real(config, second, Viewed.of(file, second.view, loaded_split.parts["train"]))
    frame = trained_generator.frame
    with reproducible(config.threads):
        workshop = Workshop(trained_generator, first, second, reference, config.acceptance)
        draw = {"interior": partial(interior, trained_generator, seed=config.seed),
                "boundary": partial(boundary, trained_generator, probed, seed=config.seed,
                                    toward_rare=config.toward_rare, pair_probability=config.pair_probability,
                                    reuse=config.reuse)}
        writer = StackWriter(out, detector=frame.detector, pose=frame.pose, provenance=record,
                             intensity_unit=frame.intensity_unit, mantissa_bits=mantissa_bits)
        with writer, progress("synthesize", len(draw) * sum(quota.values())) as bar:
            counts = {kind: {group: _fill(config, workshop, draw[kind], group, number, writer, bar)
                             for group, number in quota.items()} for kind in KINDS}
    write_json(report, {"digest": writer.digest, "record": record, "quota": quota, "made": counts, "short": {
        kind: [group for group, count in groups.items() if count["accepted"] < count["asked"]]
        for kind, groups in counts.items()}})
    return out


def _check_inputs(inputs: dict[str, str], probed: dict[str, str], generator: TrainedGenerator,
                  classifiers: tuple[TrainedClassifier, TrainedClassifier]) -> None:
    for name in ("generator", "classifier", "split"):
        if probed.get(name) != inputs[name]:
            raise InputError(source="probe", rule=f"must have been made with this {name}",
                             value=f"{str(probed.get(name))[:12]}, not {inputs[name][:12]}",
                             remedy="Probe again, or give the files the probe was made with.")
    if inputs["classifier"] == inputs["second_classifier"]:
        raise InputError(source="second classifier", rule="must be another one than the first", value="the same file",
                         remedy="Train a second classifier with another seed: agreement with itself says nothing.")
    for classifier in classifiers:
        classifier.frame.require(generator.frame, "generator")


def _measure_real(config: SynthesizeConfig, second: TrainedClassifier,
                  train: Viewed) -> tuple[Reference, dict[int, int]]:
    """Measure the limits of acceptance on the train part, and resolve the quota on its counts."""
    intensity, table = train.read(), train.table()
    real = stack_set(intensity, table, class_map=second.class_map, transform=second.intensity, source=train.file.path)
    with torch.no_grad():
        features = torch.cat([second.model.features(part) for part in real.x.split(config.batch)])
    reference = Reference.fit(real.x, torch.from_numpy(intensity), features, real.class_idx, real.material,
                              config.acceptance, classes=len(second.class_map))
    groups, numbers = np.unique(table.space_group, return_counts=True)
    materials = {int(group): len(np.unique(table.material[table.space_group == group])) for group in groups}
    return reference, resolve_quota(config.sampling_strategy, stacks=dict(zip(groups.tolist(), numbers.tolist(),
                                                                              strict=True)), materials=materials)


def _fill(config: SynthesizeConfig, workshop: Workshop, draw: Callable[..., Candidates], space_group: int, quota: int,
          writer: StackWriter, bar: Any) -> dict[str, Any]:
    """Draw, make and sort out candidates of one kind and group until quota or rounds are full; write them and count.

    yield: accepted share of all that were drawn, those beyond the quota included.
    """
    rejected: Counter[str] = Counter()
    drawn = passed = accepted = 0
    for _ in range(config.rounds):
        wanted = math.ceil((quota - accepted) * config.oversample)
        candidates = draw(space_group, numbers=range(drawn, drawn + wanted))
        if not len(candidates):
            break
        made = make(workshop, candidates, batch=config.batch)
        good = np.flatnonzero(made.code == ACCEPTED)
        keep = good[:quota - accepted]
        writer.append(made.intensity[keep], table(workshop, candidates, made, keep, first=drawn))
        rejected.update(REASONS[code] for code in made.code[made.code != ACCEPTED])
        drawn, passed, accepted = drawn + len(candidates), passed + len(good), accepted + len(keep)
        bar.advance(len(keep))
        if accepted == quota:
            break
    return {"asked": quota, "accepted": accepted, "drawn": drawn, "yield": passed / drawn if drawn else 0.0,
            "rejected": {name: rejected[name] for name in REASONS}}
