"""The margin logit[a] - logit[b] of C(G(w)) on the generator's manifold, and the latent paths on which it is probed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cbedgan.boundary.path import select
from cbedgan.gan.network.generator import TrainedGenerator
from classifier.foundation.errors import InputError
from classifier.pattern.intensity import IntensityTransform
from classifier.prediction.predict import TrainedClassifier

PARALLEL = 1e-4
"""Angle in radians below which slerp is a straight line."""


def margin(logits: Float[Tensor, "*grid P K"], a: Int[Tensor, " P"], b: Int[Tensor, " P"]
           ) -> Float[Tensor, "*grid P"]:
    """Return logit[a] - logit[b] of the class indices a, b; positive: class a."""
    return select(logits, a) - select(logits, b)


@dataclass(frozen=True)
class LatentClassifier:
    """The classifier after the generator, C(G(w)): a differentiable function of the mapped latent.

    synthesise: w [B, W] -> x [B, 3, H, W]; classify: that x -> logits [B, K]; batch: images a forward pass holds.
    """

    synthesise: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor]
    batch: int

    @classmethod
    def of(cls, generator: TrainedGenerator, classifier: TrainedClassifier, *, batch: int) -> "LatentClassifier":
        """Join a generator and a classifier of one split, class map and frame; their intensity scales may differ."""
        for name, mine, other in (("split", generator.split_digest, classifier.split_digest),
                                  ("class map", generator.class_map, classifier.class_map)):
            if mine != other:
                raise InputError(source=f"generator and classifier, {name}", rule="must be the same",
                                 value=f"{str(mine)[:60]} and {str(other)[:60]}",
                                 remedy="Train both on one split of one stack file.")
        classifier.frame.require(generator.frame, "generator")
        translate = translation(generator.intensity, classifier.intensity)
        return cls(generator.synthesise, lambda x: classifier.logits(translate(x)), batch)

    def logits(self, w: Float[Tensor, "*grid W"]) -> Float[Tensor, "*grid K"]:
        """Return logits float32 of w."""
        rows = w.reshape(-1, w.shape[-1]).float()
        logits = torch.cat([self.classify(self.synthesise(part)).float() for part in rows.split(self.batch)])
        return logits.reshape(*w.shape[:-1], -1)

    def margin(self, w: Float[Tensor, "*grid P W"], a: Int[Tensor, " P"], b: Int[Tensor, " P"]
               ) -> Float[Tensor, "*grid P"]:
        """Return the margin at w for the pairs of classes a, b."""
        return margin(self.logits(w), a, b)


def translation(source: IntensityTransform, target: IntensityTransform) -> Callable[[Tensor], Tensor]:
    """Return the map of x from one intensity scale to another: through physical intensity only where they differ."""
    one, other = source.state(), target.state()
    same = all(torch.equal(one[key], other[key]) if isinstance(one[key], Tensor) and isinstance(other[key], Tensor)
               else one[key] is other[key] or one[key] == other[key] for key in one)
    return (lambda x: x) if same else (lambda x: target.normalise(source.denormalise(x)))


@dataclass(frozen=True)
class LatentPaths:
    """P paths of one kind from class a (t = 0) to class b (t = 1); z [P, L] and class embeddings e [P, E] of the ends.

    "class": z stays, e = (1 - t) e_a + t e_b (give z_b = z_a); "latent": z turns by slerp, e as before;
    "w": straight line between the mapped ends. mapping: z, e -> w.
    """

    kind: str
    mapping: Callable[[Tensor, Tensor], Tensor]
    z_a: Tensor
    z_b: Tensor
    e_a: Tensor
    e_b: Tensor

    @classmethod
    def of(cls, kind: str, generator: TrainedGenerator, z_a: Float[Tensor, "P L"], z_b: Float[Tensor, "P L"],
           a: Int[Tensor, " P"], b: Int[Tensor, " P"]) -> "LatentPaths":
        """Paths between samples of two classes.

        Parameters
        ----------
        kind : "class", "latent" or "w"
        generator : whose mapping the paths go through
        z_a, z_b : latents of the two ends
        a, b : their class indices
        """
        return cls(kind, generator.mapping, z_a, z_b, generator.embed(a), generator.embed(b))

    def take(self, rows: Tensor) -> "LatentPaths":
        """The paths at `rows`."""
        return LatentPaths(self.kind, self.mapping, self.z_a[rows], self.z_b[rows], self.e_a[rows], self.e_b[rows])

    def w(self, t: Float[Tensor, "*grid P_or_1"]) -> Float[Tensor, "*grid P W"]:
        """Return w float32 at the positions t; a last axis of 1 stands for all paths."""
        shape = torch.broadcast_shapes(t.shape, self.z_a.shape[:1])
        t = t.expand(shape).float()[..., None]
        if self.kind == "w":
            w_a, w_b = self.mapping(self.z_a, self.e_a), self.mapping(self.z_b, self.e_b)
            return (1 - t) * w_a + t * w_b
        z, e = slerp(self.z_a, self.z_b, t), (1 - t) * self.e_a + t * self.e_b
        w = self.mapping(z.reshape(-1, z.shape[-1]), e.reshape(-1, e.shape[-1]))
        return w.reshape(*shape, -1)


def slerp(z_a: Float[Tensor, "P L"], z_b: Float[Tensor, "P L"], t: Float[Tensor, "*grid P 1"]
          ) -> Float[Tensor, "*grid P L"]:
    """Turn z_a into z_b along the great circle, t in [0, 1]; norms change evenly with the turn.

    [sin((1 - t) O) z_a + sin(t O) z_b] / sin O with O the angle between them (Shoemake 1985); straight if parallel.
    """
    cosine = torch.nn.functional.cosine_similarity(z_a, z_b, dim=-1).clamp(-1, 1)[..., None]
    angle = torch.acos(cosine)
    parallel = torch.sin(angle) < PARALLEL
    safe = torch.where(parallel, torch.pi / 2, angle)
    turned = (torch.sin((1 - t) * safe) * z_a + torch.sin(t * safe) * z_b) / torch.sin(safe)
    return torch.where(parallel, (1 - t) * z_a + t * z_b, turned)
