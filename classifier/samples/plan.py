"""Which set a stack file is of, and how a split is tied to it: by the plan, which is the same on every machine.

The last bits of a Fourier transform differ between processors, and with them every digest of simulated pixels: it only
tells damage. What was planned does not differ: the configuration, the crystals and the names of the samples.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.foundation.config import digest
from classifier.samples.sampletable import SampleTable

STAGE = "simulate"  # whose files have a plan
CONDITION = "condition"  # provenance of a file: how its stacks were seen, where one plan has several files
NOT_PLANNED = ("share", "device")  # inputs that say which part of a plan was made, and on what
DECIMALS = 6  # two fewer than a crystal's record has, so that no rounding on the edge makes another plan
PLANNED_COLUMNS = ("space_group", "material", "structure_type", "formula", "partition", "beam_energy_kev")
# Builds from before plans had digests, to which splits and networks in use are tied: {plan: digests of the pixels}.
KNOWN_BUILDS = {
    "f70cdd0f61cd76ae1e95f1c0975d307e4994b742a49f261e9f8e30bd3fd0f53e": (  # cbed-lt, version 1
        "75e461f41b3fe2f7557a48b938e10fd239037e041a66c3680bdb3554df124f61",
        "15ab508ab9c411a1a0cc646879a013c44640624184206095ebd8e31d55a104c2")}


@dataclass(frozen=True)
class SetIdentity:
    """plan: digest of the plan, or of the pixels where there is none (measured, imported, published, synthetic sets);
    pixels: digest of the file; condition: how its stacks were seen, "" as planned.

    All files of one plan have the same sample ids, so that one split serves them.
    """

    plan: str
    pixels: str
    condition: str = ""

    @property
    def planned(self) -> bool:
        """Whether the set has a plan."""
        return self.plan != self.pixels

    @property
    def builds(self) -> tuple[str, ...]:
        """Digests of the pixels by which splits named this set before plans had digests."""
        return tuple(dict.fromkeys((self.pixels, *KNOWN_BUILDS.get(self.plan, ()))))

    @property
    def seen(self) -> str:
        """The digest that names plan and condition: what a run was given, on whichever machine."""
        return digest([self.plan, self.condition]) if self.condition else self.plan


def identity_of(table: SampleTable, provenance: dict[str, Any], pixels: str) -> SetIdentity:
    """Which set a file is of; table, provenance, pixels: its own, see StackFile."""
    condition = str(provenance.get(CONDITION, ""))
    if provenance.get("stage") != STAGE or "config_digest" not in provenance:
        return SetIdentity(pixels, pixels, condition)
    try:
        rows = list(planned_rows(table))
    except (ValueError, KeyError, TypeError):  # rows of another program: there is no plan to be known by
        return SetIdentity(pixels, pixels, condition)
    return SetIdentity(digest({**plan_settings(provenance), "samples": rows}), pixels, condition)


def plan_settings(provenance: dict[str, Any]) -> dict[str, Any]:
    """What of a plan holds for all its samples, and for each share of it: the configuration and what else went in."""
    inputs = provenance.get("inputs", {})
    return {"config": provenance["config_digest"],
            "inputs": {key: value for key, value in inputs.items() if key not in NOT_PLANNED}}


def planned_rows(table: SampleTable) -> Iterator[list[Any]]:
    """What the plan decided of each sample: its name, its labels, its energy and its crystal; nothing from pixels."""
    columns = [getattr(table, name).tolist() for name in PLANNED_COLUMNS]
    for name, text, *labels in zip(table.sample_id.tolist(), table.provenance.tolist(), *columns, strict=True):
        crystal = json.loads(text)["crystal"]
        # Zero has no sign here, and a site at 1 is one at 0: both hang on the last bit.
        lattice = np.round(np.array(crystal["lattice"], dtype=np.float64), DECIMALS) + 0.0
        sites = np.round(np.array(crystal["sites"], dtype=np.float64), DECIMALS) % 1.0
        yield [name, *labels, lattice.tolist(), sites.tolist(), crystal["numbers"]]


def stacks_named(identity: SetIdentity) -> dict[str, str]:
    """How split.json names the stacks that were split."""
    return {**({"plan_digest": identity.plan} if identity.planned else {}), "stack_digest": identity.pixels}


def split_digest(content: dict[str, Any]) -> str:
    """The digest of a split's content: with the plan of its stacks, or with their pixels where it names no plan."""
    if "plan_digest" in content:
        content = {key: value for key, value in content.items() if key != "stack_digest"}
    return digest(content)


def identity_named(content: dict[str, Any], name: str) -> SetIdentity:
    """The set of which only a digest is known: that of a split's content, where the split names it so."""
    plan, pixels = content.get("plan_digest", content["stack_digest"]), content["stack_digest"]
    return SetIdentity(plan, pixels) if name in (plan, pixels) else SetIdentity(name, name)


def is_of(content: dict[str, Any], identity: SetIdentity) -> bool:
    """Whether a split's content is of this set: of its plan, or of a known build of it."""
    if "plan_digest" in content:
        return identity.plan == content["plan_digest"]
    return content["stack_digest"] in identity.builds


def told(named: dict[str, Any]) -> str:
    """A split's stacks in words, see stacks_named."""
    plan = f"plan {str(named['plan_digest'])[:12]}, " if "plan_digest" in named else ""
    return f"{plan}stacks {str(named['stack_digest'])[:12]}"


def names_of(content: dict[str, Any], identity: SetIdentity) -> tuple[str, ...]:
    """Every digest that a split has, or would have been given for a known build of its stacks; its own first.

    Of equal digests every other part is equal too: settings, sample ids, materials and counts.
    """
    if not identity.planned:
        return (content["digest"],)
    bare = {key: value for key, value in content.items() if key not in ("digest", "plan_digest")}
    named = [stacks_named(identity), *({"stack_digest": pixels} for pixels in identity.builds)]
    return tuple(dict.fromkeys((content["digest"], *(split_digest({**bare, **stacks}) for stacks in named))))
