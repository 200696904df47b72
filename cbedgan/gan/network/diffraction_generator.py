"""A generator that draws crystals, not pixels: scatterers in the cell of a form, whose diffraction is computed.

The network says where a few scatterers lie in the cell seen along each beam and what they are; a mean over the
pattern's operations makes the potential symmetric; a differentiable multislice turns it into the content of all disks.
What dynamical diffraction demands (extinction along glide lines, which disks are alike, how contents hang together) is
so as in real patterns, and the discriminator teaches what crystals of a class look like.
"""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cbedgan.form.form import COLUMNS, FLOOR, INVARIANTS, Parts, invariants, parts
from cbedgan.form.pattern_symmetry import HALF_TURN, SHARES, beam_parities, half_turn_difference, operations, residue
from cbedgan.gan.network.blocks import SLOPE, linear, mapped
from cbedgan.gan.network.conditioning import class_embedding
from cbedgan.gan.network.contract import Condition, Generator, LatentConfig, SampleSpec, SharedConfig, noisy, sent
from cbedgan.gan.network.drawing_constants import DrawingConstants
from cbedgan.render.beams import Beams
from cbedgan.render.disk_layout import DiskLayout, lay_out, node_places
from cbedgan.render.projected_potential import Scatterers, structure_factors
from cbedgan.render.scattering import beam_intensities
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import EQUAL_INTENSITY

SPECIAL = ((0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (1 / 3, 2 / 3), (0.25, 0.25))  # where scatterers begin
FITTED = 96  # training stacks whose light is compared with that of the untrained generator
TINY = 1e-12
FAINTEST = 1e-4  # of the light of bright disks: weaker ones are not made brighter without bound
LEAST_SHARE = 1e-3  # below which a share's power would have no gradient


class DiffractionConfig(LatentConfig):
    """Crystals: scatterers in the cell of each pattern, slices that its plate is cut into, and nodes across the
    aperture at which beams are computed, about one a pixel of a disk.

    strain: standard deviation of each strain that a cell's crystal system leaves free, of forms drawn at generation.
    """

    kind: Literal["diffraction"]
    scatterers: Annotated[int, Field(ge=1, le=256)]
    slices: Annotated[int, Field(ge=1, le=256)]
    nodes: Annotated[int, Field(ge=2, le=128)]
    strain: Annotated[float, Field(ge=0, le=0.1)]
    drawing: DrawingConstants = DrawingConstants()

    @property
    def form_strain(self) -> float:
        """See GeneratorKind.form_strain."""
        return self.strain

    def build(self, spec: SampleSpec, shared: SharedConfig) -> Generator:
        """An untrained generator of square patterns."""
        if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
            raise InputError(source="network.generator", rule='the kind "diffraction" draws square patterns',
                             value=f"samples of {list(spec.shape)}", remedy='Choose kind = "pixels".')
        return DiffractionGenerator(spec, self, shared)


class DiffractionGenerator(Generator):
    """e and w end with the form, which they hand on.

    A form's shares of symmetry are of patterns, the mean is taken of potentials: the network learns the power of a
    share that brings about the pattern's; a share near 1 is whole, and layers along the beam break it. What a half turn
    changes is scaled to what the form says. As canonical pose wants it, g1 points to the brighter of its two disks.
    half_width: in |g1|.
    """

    usual_parity: Tensor
    half_turn: Tensor
    gain: Tensor
    aperture: Tensor
    passing: Tensor

    def __init__(self, spec: SampleSpec, config: DiffractionConfig, shared: SharedConfig) -> None:
        super().__init__()
        patterns, w, self.constants = spec.shape[0], config.mapping_dim, config.drawing
        self.sample_shape, self.half_width, self.intensity = spec.shape, spec.view.half_width, spec.intensity
        self.latent_dim, self.mapping_dim, self.classes = config.latent_dim, w, len(spec.class_map)
        self.scatterers, self.slices, self.nodes = config.scatterers, config.slices, config.nodes
        self.embedding = class_embedding(shared.conditioning, spec.class_map, shared.embedding_dim)
        self.of_form = nn.Sequential(linear(patterns * INVARIANTS, shared.embedding_dim), nn.LeakyReLU(SLOPE),
                                     nn.Linear(shared.embedding_dim, shared.embedding_dim))
        sizes = [config.latent_dim + shared.embedding_dim] + [w] * config.mapping_layers
        self.mapping_layers = nn.ModuleList(linear(*pair) for pair in pairwise(sizes))
        self.place = nn.Linear(w, patterns * self.scatterers * 2)
        with torch.no_grad():
            place = self.place.bias.reshape(patterns, self.scatterers, 2)
            place.uniform_()
            place[:, : len(SPECIAL)] = torch.tensor(SPECIAL)[: self.scatterers]
        self.height = nn.Linear(w, patterns * self.scatterers)  # along the beam
        self.kind = nn.Linear(w, 1 + self.scatterers * 3)  # strength; amount, screening, damping
        self.crystal = nn.Linear(w, patterns * (1 + 2 * SHARES))  # see _drawn
        self.absorption = nn.Parameter(torch.zeros(()))
        self.register_buffer("usual_parity", torch.tensor(self.constants.parity), persistent=False)
        self.register_buffer("half_turn", torch.arange(SHARES) == HALF_TURN, persistent=False)
        self.register_buffer("gain", torch.zeros(()))  # ln of what a stack's unit is in incident light
        self.register_buffer("aperture", node_places(self.nodes), persistent=False)
        self.register_buffer("passing", (self.aperture.norm(dim=1) <= 1).float(), persistent=False)

    @torch.no_grad()
    def fit(self, x: Tensor, condition: Condition) -> None:
        """Begin with usual values and the mean light of training stacks x [N, C, S, S] of the condition's forms."""
        some = slice(None, None, -(-len(x) // FITTED))
        z = torch.randn(len(x[some]), self.latent_dim, generator=torch.Generator().manual_seed(0))
        w = self.mapping(z, self.embed(Condition(torch.arange(len(z)) % self.classes, _form(condition)[some])))
        for layer in (self.kind, self.crystal):  # which begin at the usual values, wherever chance has put them
            layer.bias -= layer(self._apart(w)[0]).mean(0)
        drawn = self.synthesise(w)
        mine, theirs = (self.intensity.denormalise(stacks).sum((2, 3)).clamp(min=TINY).log().mean()
                        for stacks in (drawn, x[some]))
        self.gain += theirs - mine

    def embed(self, condition: Condition) -> Tensor:
        """Classes and forms -> e [B, embedding_dim + C * COLUMNS]."""
        form = sent(_form(condition), condition.class_idx.device)
        return torch.cat((self.embedding(condition.class_idx) + self.of_form(invariants(form)), form.flatten(1)), 1)

    def mapping(self, z: Tensor, e: Tensor) -> Tensor:
        """z [B, latent_dim], e -> w [B, mapping_dim + C * COLUMNS]; only the direction of z matters."""
        e, form = self._apart(e)
        return torch.cat((mapped(self.mapping_layers, z, e), form), 1)

    def layout(self, form: Tensor) -> DiskLayout:
        """Beams and disks of forms [B, C, COLUMNS], on the CPU."""
        return lay_out(form, size=self.sample_shape[-1], half_width=self.half_width, nodes=self.nodes,
                       constants=self.constants)

    def form_of(self, joined: Tensor) -> Tensor:
        """The forms [B, C, COLUMNS] that e or w hand on."""
        return self._apart(joined)[1].unflatten(1, (self.sample_shape[0], COLUMNS))

    def synthesise(self, w: Tensor, layout: DiskLayout | None = None) -> Tensor:
        """w -> x [B, C, S, S], float32; no gradient reaches the form. layout: of the forms, where there is one."""
        form = self.form_of(w.detach())
        if layout is None:
            layout = self.layout(form).to(w.device)
        known = parts(form.flatten(0, 1))
        potential, weakness, weak = self._drawn(self._apart(w)[0], known, layout)
        potential = potential * (1 + 1j * self.constants.absorption * self.absorption.sigmoid())
        curvature = self.constants.curved * known.curvature.exp()
        tables = []
        for beams in layout.groups:
            own = beams.pattern
            light = beam_intensities(potential[:, beams.point], beams.g, curvature[own],
                                     self.aperture * layout.radius[own, None, None], self.slices)
            tables.append(self._dimmed(light, beams, weak, weakness[own]).flatten())
        table, first = torch.cat(tables), layout.pixel_row * len(self.aperture)
        shine: Any = sum(weight * table.index_select(0, first + node)
                         for weight, node in zip(layout.pixel_weight, layout.pixel_node, strict=True))
        patterns = table.new_zeros(len(w) * math.prod(self.sample_shape)).index_add(
            0, layout.pixel_place, layout.pixel_cover * shine).reshape(-1, *self.sample_shape[1:])
        aperture = math.pi * (layout.radius * self.sample_shape[-1] / (2 * self.half_width)).square()  # in pixels
        patterns = patterns * (self.gain.exp() / aperture)[:, None, None]
        right, left = (table.reshape(-1, len(self.aperture))[layout.g1_rows] @ self.passing).unbind(1)
        patterns = torch.where((left * (1 - EQUAL_INTENSITY) > right)[:, None, None], patterns.flip(1, 2), patterns)
        patterns = _with_half_turn(patterns, residue(known.share[:, HALF_TURN]), self.constants)
        return self.intensity.normalise(patterns.reshape(-1, *self.sample_shape))

    def forward(self, z: Tensor, condition: Condition, noise: Tensor | None = None) -> Tensor:
        """z [B, latent_dim], classes and forms, noise [B, embedding_dim] -> x [B, C, S, S]."""
        layout = self.layout(_form(condition)).to(z.device)
        return self.synthesise(self.mapping(z, noisy(self.embed(condition), noise)), layout)

    def _drawn(self, w: Tensor, form: Parts, layout: DiskLayout) -> tuple[Tensor, ...]:
        """What N = B * C patterns are computed from, besides what the form knows.

        The potential [layers, count + 1], weakness [N], and how much of each of the potential's points is weak,
        [count + 1].
        """
        usual = self.constants
        weakness, parity, exponent = self.crystal(w).unflatten(1, (self.sample_shape[0], -1)).flatten(0, 1).split(
            (1, SHARES, SHARES), 1)
        kind = self.kind(w).repeat_interleave(self.sample_shape[0], 0)  # one crystal, whichever way it is looked at
        amount, screening, damping = kind[:, 1:].reshape(-1, self.scatterers, 3).unbind(2)
        amount = _limited(amount, usual.farthest).exp()
        g1 = form.g1.exp()[:, None]  # 1/Angstrom
        cell = 1 / (torch.linalg.det(form.net).abs()[:, None] * g1.square())
        plate = form.curvature.exp()[:, None] / g1.square() / usual.plate * (usual.cell / cell).sqrt()
        amount = amount * torch.rsqrt(amount.square().sum(1, keepdim=True)) * plate * self._around(
            usual.amount, kind[:, :1])
        scatterers = Scatterers(self.place(w).reshape(-1, self.scatterers, 2),
                                self.height(w).reshape(-1, self.scatterers), amount,
                                usual.screening / g1 * self._around(usual.screens, screening),
                                usual.damping * g1.square() * self._around(usual.damps, damping))
        left = residue(form.share[:, HALF_TURN])
        missing = left * ((left - usual.broken) / usual.blurred + exponent[:, HALF_TURN]).sigmoid()
        power = form.share.clamp(min=LEAST_SHARE) ** self._around(usual.exponent, exponent)
        share = torch.where(self.half_turn, residue(missing)[:, None], torch.where(form.share > 0, power, 0))
        weight = operations(form.azimuth, share).weight
        weakness = form.weakness + _limited(weakness[:, 0], usual.farthest) * usual.weakness
        parity = beam_parities(form.share, (parity + self.usual_parity).tanh())
        potential = structure_factors(scatterers, layout.points, weight, parity, weakness.exp(),
                                      usual.layering * (left - missing), usual.layers)
        return potential, weakness, layout.points.weak_share(weight)

    def _dimmed(self, table: Tensor, beams: Beams, weak: Tensor, weakness: Tensor) -> Tensor:
        """Intensities [n, M, K] of a group's beams, those of weak ones brought to what the form says."""
        share = weak[beams.point[:, :, 0]]  # a beam is its own difference from the direct one
        seen = (beams.g.abs().amax(-1) < self.half_width) & beams.g.any(-1)
        light = table @ self.passing

        def average(where: Tensor) -> Tensor:
            return (where * light).sum(1) / where.sum(1).clamp(min=1)

        faint, bright = average(seen * share), average(seen * (1 - share))
        factor = (2 * weakness).exp() * bright / (faint + FAINTEST * bright).clamp(min=TINY)
        return table * (1 - share + share * factor[:, None])[..., None]

    def _around(self, usual: tuple[float, float], x: Tensor) -> Tensor:
        """The quantity whose logarithm has this usual value and standard deviation for x of unit variance."""
        mean, deviation = usual
        return (mean + deviation * _limited(x, self.constants.farthest)).exp()

    def _apart(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        form = self.sample_shape[0] * COLUMNS
        return joined[:, :-form], joined[:, -form:]


def _with_half_turn(patterns: Tensor, difference: Tensor, constants: DrawingConstants) -> Tensor:
    """Intensities of patterns [N, S, S] that differ from their half turns [N] as told, see `half_turn_difference`.

    What differs is what layers and potential say; how much of it there is, is the form's. Only small differences are
    made larger: a large one is no multiple of a small one.
    """
    x = (patterns / FLOOR).log1p()
    back = x.flip(1, 2)
    drawn = half_turn_difference(x)
    less, more = difference / drawn, difference.clamp(max=constants.broken) / drawn
    factor = torch.maximum(less.clamp(max=1), more.clamp(max=constants.amplified))
    wanted = (x + back + factor[:, None, None] * (x - back)) / 2
    return FLOOR * torch.maximum(wanted, constants.left * torch.minimum(x, back)).expm1()


def _limited(x: Tensor, farthest: float) -> Tensor:
    return farthest * torch.tanh(x / farthest)


def _form(condition: Condition) -> Tensor:
    if condition.form is None:
        raise TypeError("a generator of crystals needs forms")
    return condition.form
