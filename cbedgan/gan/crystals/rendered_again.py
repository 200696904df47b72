"""Real stacks of a simulated set by the renderer, as generated ones are: how they were computed tells nothing then."""

import json
from collections.abc import Sequence
from pathlib import Path

from cbedgan.crystal.crystals import Crystal
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import StacksAndRows, simulated_again
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.workers import in_pool
from classifier.foundation.config import digest
from classifier.foundation.errors import InputError, reported
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import StackFile, StackWriter
from classifier.samples.viewed import rows_of

AT_ONCE = 16  # stacks that a worker renders before it hands them over


def rendered_again(file: StackFile, sample_ids: Sequence[str], instrument: Instrument, out: Path, *,
                   workers: int) -> Path:
    """Write the samples' stacks in the instrument's frame as the renderer draws their crystals; one there is kept.

    A stack that shows no disk so is left out.

    Parameters
    ----------
    file : the set, whose rows hold the crystals
    sample_ids : of the train part
    instrument : the set's
    out : the stack file
    workers : processes
    """
    name = digest({"samples": list(sample_ids), "instrument": instrument.config.model_dump(mode="json")})
    if out.exists():
        with StackFile(out) as made:
            if made.provenance.get("name") == name:
                return out
    table = file.table.take(rows_of(file, sample_ids))
    jobs = {first: (instrument.config, table.take(range(first, min(first + AT_ONCE, len(table)))), str(file.path))
            for first in range(0, len(table), AT_ONCE)}
    sizes = {first: len(rows) for first, (_, rows, _) in jobs.items()}
    made = in_pool(_render_some, jobs, workers=workers, description="rendering real stacks", sizes=sizes)
    size = instrument.config.detector.size_pixels
    detector = type(file.detector)(size, 2 * instrument.config.detector.half_width / size, file.detector.unit)
    with StackWriter(out, detector=detector, pose=file.pose, intensity_unit=file.intensity_unit,
                     provenance={"stage": "train-gan", "name": name}, mantissa_bits=file.mantissa_bits) as writer:
        for stacks, rows in (one for some in made.values() for one in some):
            writer.append(stacks, rows)
    return out


def _render_some(config: SimulateConfig, table: SampleTable, source: str) -> list[StacksAndRows]:
    """In a worker: the stacks of some rows, one each."""
    made = []
    for name, provenance in zip(table.sample_id.tolist(), table.provenance.tolist(), strict=True):
        with reported(f"{source}, sample {name}", remedy='Set real = "stored".',
                      rule="its provenance must hold its crystal"):
            told = json.loads(provenance)
            Crystal.from_record(told["crystal"])
        # The instrument draws the plain view, in whatever frame the set's file had.
        plain = json.dumps({key: value for key, value in told.items() if key != "view"})
        try:
            made.append(simulated_again(config, plain, engine=engine_of(config)))
        except InputError:
            continue
    return made
