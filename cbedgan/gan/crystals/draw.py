"""One sample after another from a generator of crystals: drawn, moved, refused where it must be, rendered, chosen."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field

from cbedgan.crystal.crystals import Crystal, shortest_distance_ratio, standard_crystal
from cbedgan.crystal.supergroup import hidden_supergroup, quiet_moyo
from cbedgan.gan.crystals.instrument import told_of
from cbedgan.gan.crystals.network.movable import movable
from cbedgan.gan.crystals.network.moves import moved
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from cbedgan.gan.crystals.views import views_of
from cbedgan.simulate.cbed.stack import StacksAndRows, refusal, simulate_every_view
from cbedgan.simulate.engine import engine_of
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.samples.sampletable import SampleTable


class ArmConfig(Config):
    """What of the training acts. moved: the network moves the drawn crystals; candidates: of which one is chosen, with
    probabilities exp(logit of the discriminator) over their sum, 1: it does not choose. Neither: the prior itself.

    At its best the discriminator's logit is the logarithm of how much likelier a sample is among real ones (as in
    arXiv 1810.06758), so that many candidates make the choice one of real samples.
    """

    moved: bool = True
    candidates: Annotated[int, Field(ge=1, le=256)] = 8
    minimum_distance_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.6  # shortest distance over summed covalent radii


class SampledStack(NamedTuple):
    """crystal: measured anew; stack: shares of the incident beam; row: as the simulator's, synthetic; views: where they
    were asked for, see `views_of`."""

    crystal: Crystal
    stack: Float[np.ndarray, "3 S S"]
    row: SampleTable
    views: tuple[StacksAndRows, ...] = ()


def nothing_against(crystal: Crystal) -> str:
    """Any crystal may be drawn."""
    return ""


def draw_stack(source: TrainedCrystals, arm: ArmConfig, space_group: int, number: int, *, seed: int,
               refused: Counter[str], against: Callable[[Crystal], str] = nothing_against,
               views: bool = False) -> SampledStack:
    """Draw a stack of any of the 230 groups; it depends on the source, arm, group, number and seed alone.

    A candidate is chosen on its axes. One that a view cannot show gives way to the next of its own draw.

    Parameters
    ----------
    source : generator
    arm : what of it acts; a group that the discriminator does not know is not chosen
    space_group, number : of the sample
    seed : of all samples
    refused : by reason, how many crystals were drawn in vain; they are counted here
    against : why a crystal must not be drawn, "" where it may; another one is drawn then
    views : whether the stack comes with those of the generator's set
    """
    known = space_group in source.class_map.space_groups
    drawn = [_drawn(source, arm, space_group, [seed, number, k], refused, against)
             for k in range(arm.candidates if known else 1)]
    candidates = [next(some) for some in drawn]
    stream = np.random.default_rng([seed, number, len(candidates), space_group])
    while True:
        chosen, logits = _chosen(source, candidates, space_group, stream)
        one = candidates[chosen]
        try:
            one = one._replace(views=views_of(one.crystal, one.row, source.instrument) if views else ())
            break
        except InputError:
            refused["not to be rendered in a view"] += 1
            candidates[chosen] = next(drawn[chosen])
    told = {"kind": "crystal", "space_group": space_group, "seed": seed, "number": number, **arm.model_dump(),
            "chosen": chosen, "logits": None if logits is None else np.round(logits, 4).tolist(),
            "generator_digest": source.digest}
    provenance = json.dumps({**told, **json.loads(one.row.provenance[0])}, separators=(",", ":"))
    return one._replace(row=replace(
        one.row, sample_id=np.array([f"sample-{space_group}-{number:06d}"]), origin=np.array(["synthetic"]),
        partition=np.array(["train"]), provenance=np.array([provenance])))


def draw_crystal(source: TrainedCrystals, arm: ArmConfig, space_group: int, stream: np.random.Generator,
                 refused: Counter[str], against: Callable[[Crystal], str] = nothing_against) -> Crystal | None:
    """Draw a crystal of the prior and move it, where `arm` says so; None where something speaks against it.

    Parameters
    ----------
    source, arm, space_group, refused, against : as for `draw_stack`
    stream : on which it depends
    """
    crystal, reason = source.prior.of(space_group).draw(space_group, stream), "not drawn"
    if crystal is not None and arm.moved:
        crystal, reason = _moved(source, crystal, stream), "symmetry not to be measured"
    if crystal is not None:
        reason = _fault(crystal, source, arm, space_group) or against(crystal)
    if crystal is None or reason:
        refused[reason] += 1
        return None
    return crystal


def _drawn(source: TrainedCrystals, arm: ArmConfig, space_group: int, key: list[int], refused: Counter[str],
           against: Callable[[Crystal], str]) -> Iterator[SampledStack]:
    """Crystals that nothing speaks against, rendered; InputError after as many vain attempts as the prior allows."""
    instrument, prior = source.instrument.config, source.prior.of(space_group)
    for attempt in range(prior.attempts):
        stream = np.random.default_rng([*key, space_group, attempt])
        crystal = draw_crystal(source, arm, space_group, stream, refused, against)
        if crystal is None:
            continue
        energy = instrument.beam_energies_kev[int(stream.integers(len(instrument.beam_energies_kev)))]
        try:
            stacks, table = simulate_every_view(crystal, instrument, beam_energy_kev=energy, views=(),
                                                engine=engine_of(instrument))[0]
        except InputError:
            refused["not to be rendered"] += 1
            continue
        which = int(stream.integers(len(stacks)))
        yield SampledStack(crystal, stacks[which], replace(table.take([which]), derivation=np.array(["random"])))
    raise InputError(source=f"space group {space_group}", rule="a crystal of it must come within the prior's attempts",
                     value=f"none in {prior.attempts}: {dict(refused)}", remedy="Leave this group out.")


def _moved(source: TrainedCrystals, crystal: Crystal, stream: np.random.Generator) -> Crystal | None:
    """The crystal as the network moves it, measured anew."""
    origin = movable(crystal)
    z = torch.from_numpy(stream.standard_normal((1, source.generator.latent_dim), dtype=np.float32))
    with torch.no_grad():
        after = moved(origin, source.generator(z, [origin])[0], stream.random(len(origin.elements))).crystal("moved")
    try:
        with quiet_moyo():
            return standard_crystal(after.lattice, after.positions, after.numbers, steady=True,
                                    source=f"{crystal.source}, moved by a trained generator")
    except InputError:
        return None


def _fault(crystal: Crystal, source: TrainedCrystals, arm: ArmConfig, space_group: int) -> str:
    """What speaks against the crystal, "" if nothing does."""
    if crystal.space_group != space_group:
        return "another group"
    if shortest_distance_ratio(*crystal.primitive()) < arm.minimum_distance_ratio:
        return "atoms too near"
    if arm.moved and hidden_supergroup(crystal, source.prior.source.supergroup_tolerance_angstrom) is not None:
        return "nearly of a higher group"
    return "" if refusal(crystal, source.instrument.config) is None else "not to be simulated"


def _chosen(source: TrainedCrystals, candidates: list[SampledStack], space_group: int, stream: np.random.Generator
            ) -> tuple[int, Float[np.ndarray, " k"] | None]:
    """Which of several candidates, by their logits; of one alone no logit is asked for."""
    if len(candidates) == 1:
        return 0, None
    logits = _logits(source, candidates, space_group)
    share = np.exp(logits - logits.max())
    return int(stream.choice(len(candidates), p=share / share.sum())), logits


@torch.no_grad()
def _logits(source: TrainedCrystals, candidates: list[SampledStack], space_group: int) -> Float[np.ndarray, " k"]:
    x = source.seen.intensity.normalise(torch.from_numpy(np.stack([one.stack for one in candidates])))
    told = source.seen.told(torch.from_numpy(np.concatenate([told_of(one.row) for one in candidates])))
    class_idx = torch.full((len(candidates),), source.class_map.index(space_group))
    return source.discriminator(source.seen.joined(x, told), class_idx)[:, 0].double().numpy()
