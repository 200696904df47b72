"""One synthetic stack made again, alone, from the record it carries."""

import json
from typing import Any

import numpy as np
import torch

from cbedgan.gan.network.generator import TrainedGenerator
from cbedgan.gan.network.latents import latents
from classifier.foundation.errors import InputError


def regenerate(provenance: str | dict[str, Any], generator: TrainedGenerator) -> np.ndarray:
    """Return the intensity float32 [3, H, W] of a synthetic stack from its provenance (JSON text or its content).

    Agrees with the stored stack to about 1e-5 of the transform's scale, the effect of the batch size on sums in
    float32, and to the rounding of the file's mantissa. Another generator than the recorded one is an InputError.
    """
    record = json.loads(provenance) if isinstance(provenance, str) else provenance
    if record.get("generator_digest") != generator.digest:
        raise InputError(source="provenance", rule="must name this generator's digest",
                         value=f"{record.get('generator_digest')}, not {generator.digest}",
                         remedy="Load the generator that made the stack.")
    with torch.no_grad():
        if record["kind"] == "interior":
            z = latents(np.array([record["z_seed"]]), generator.latent_dim)
            x = generator.sample(z, torch.tensor([generator.class_map.index(record["space_group"])]))
        else:
            x = generator.synthesise(torch.tensor([record["w"]], dtype=torch.float32))
        return generator.intensity.denormalise(x)[0].contiguous().numpy()
