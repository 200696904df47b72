"""A generator that draws crystals, not pixels: scatterers in the cell of a form, whose diffraction is computed.

The network says where a few scatterers lie in the cell seen along each beam and what they are; a mean over the
pattern's operations makes the potential symmetric; a differentiable multislice turns it into the content of all disks.
What dynamical diffraction demands (extinction along glide lines, which disks are alike, how contents hang together) is
so as in real patterns, and the discriminator teaches what crystals of a class look like.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from cbedgan.form.form import COLUMNS, FLOOR, INVARIANTS, Parts, invariants, parts
from cbedgan.form.pattern_symmetry import HALF_TURN, SHARES, beam_parities, half_turn_difference, operations, residue
from cbedgan.gan.network.conditioning import class_embedding
from cbedgan.gan.network.networks import SLOPE, NetworkConfig, linear, mapped
from cbedgan.render.beams import Beams
from cbedgan.render.disk_layout import DiskLayout, lay_out, node_places
from cbedgan.render.projected_potential import Scatterers, structure_factors
from cbedgan.render.scattering import beam_intensities
from classifier.crystal.spacegroup import ClassMap
from classifier.pattern.geometry import EQUAL_INTENSITY
from classifier.pattern.intensity import IntensityTransform

FARTHEST = 2.5  # standard deviations that the network can move a quantity from its usual value
SPECIAL = ((0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (1 / 3, 2 / 3), (0.25, 0.25))  # where scatterers begin
SCREENING = 0.75  # 1/Angstrom, at which half of an atom's scattering is left
DAMPING = 0.125  # Angstrom^2: a Debye-Waller factor of 0.5 Angstrom^2
ABSORPTION = 0.06  # largest imaginary part of the potential, of the real one
PLATE = 11.0  # Angstrom^2, wavelength * thickness at which AMOUNT is meant: 300 Angstrom at 100 kV
CURVED = 1.22  # excitation errors over what energy, thickness and |g1| say, at which disks vary as real ones do
CELL = 28.0  # Angstrom^2, area of the net's cell at which it is meant: in larger ones more atoms add up at random
FITTED = 96  # training stacks whose light is compared with that of the untrained generator
TINY = 1e-12
FAINTEST = 1e-4  # of the light of bright disks: weaker ones are not made brighter without bound
LEAST_SHARE = 1e-3  # below which a share's power would have no gradient

# Logarithms: usual values and standard deviations, before training.
AMOUNT, SCREENS, DAMPS, EXPONENT = (0.5, 0.8), (0.0, 0.4), (0.0, 0.5), (-3.0, 0.8)
LAYERING = 5.0  # of layers, for each of the relative difference under a half turn: about what brings it about
BROKEN, BLURRED = 0.12, 0.03  # this difference from which half turns are missing in projection too, and its width
AMPLIFIED = 10.0  # largest factor of what a half turn changes
LEFT = 0.2  # of the darker of two places that a half turn joins: no factor takes away more
WEAKNESS = 0.3  # a deviation from the form
PARITY = (-0.8, 0.0, 0.8, 0.0)  # inverse hyperbolic tangents: centres of inversion are more common than two-fold axes


class DiffractionGenerator(nn.Module):
    """(z, class, form) -> x, with the methods of `networks.Generator`; e and w end with the form, which they hand on.

    A form's shares of symmetry are of patterns, the mean is taken of potentials: the network learns the power of a
    share that brings about the pattern's; a share near 1 is whole, and layers along the beam break it. What a half turn
    changes is scaled to what the form says. As canonical pose wants it, g1 points to the brighter of its two disks.
    half_width: in |g1|.
    """

    def __init__(self, sample_shape: tuple[int, int, int], config: NetworkConfig, class_map: ClassMap, *,
                 half_width: float, intensity: IntensityTransform) -> None:
        super().__init__()
        crystal, patterns, w = config.diffraction, sample_shape[0], config.mapping_dim
        self.sample_shape, self.half_width, self.intensity = sample_shape, half_width, intensity
        self.latent_dim, self.mapping_dim, self.classes = config.latent_dim, w, len(class_map)
        self.scatterers, self.slices, self.nodes = crystal.scatterers, crystal.slices, crystal.nodes
        self.embedding = class_embedding(config.conditioning, class_map, config.embedding_dim)
        self.of_form = nn.Sequential(linear(patterns * INVARIANTS, config.embedding_dim), nn.LeakyReLU(SLOPE),
                                     nn.Linear(config.embedding_dim, config.embedding_dim))
        sizes = [config.latent_dim + config.embedding_dim] + [w] * config.mapping_layers
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
        self.register_buffer("usual_parity", torch.tensor(PARITY), persistent=False)
        self.register_buffer("half_turn", torch.arange(SHARES) == HALF_TURN, persistent=False)
        self.register_buffer("gain", torch.zeros(()))  # ln of what a stack's unit is in incident light
        self.register_buffer("aperture", node_places(self.nodes), persistent=False)
        self.register_buffer("passing", (self.aperture.norm(dim=1) <= 1).float(), persistent=False)

    @torch.no_grad()
    def fit(self, x: Tensor, form: Tensor | None) -> None:
        """Begin with usual values and the mean light of training stacks x [N, C, S, S] of forms [N, C, COLUMNS]."""
        some = slice(None, None, -(-len(x) // FITTED))
        z = torch.randn(len(x[some]), self.latent_dim, generator=torch.Generator().manual_seed(0))
        w = self.mapping(z, self.embed(torch.arange(len(z)) % self.classes, form[some]))
        for layer in (self.kind, self.crystal):  # which begin at the usual values, wherever chance has put them
            layer.bias -= layer(self._apart(w)[0]).mean(0)
        drawn = self.synthesise(w)
        mine, theirs = (self.intensity.denormalise(stacks).sum((2, 3)).clamp(min=TINY).log().mean()
                        for stacks in (drawn, x[some]))
        self.gain += theirs - mine

    def embed(self, class_idx: Tensor, form: Tensor) -> Tensor:
        """class_idx [B] int64, form [B, C, COLUMNS] -> e [B, embedding_dim + C * COLUMNS]."""
        return torch.cat((self.embedding(class_idx) + self.of_form(invariants(form)), form.flatten(1)), 1)

    def mapping(self, z: Tensor, e: Tensor) -> Tensor:
        """z [B, latent_dim], e -> w [B, mapping_dim + C * COLUMNS]; only the direction of z matters."""
        e, form = self._apart(e)
        return torch.cat((mapped(self.mapping_layers, z, e), form), 1)

    def layout(self, form: Tensor) -> DiskLayout:
        """Beams and disks of forms [B, C, COLUMNS], on the CPU."""
        return lay_out(form, size=self.sample_shape[-1], half_width=self.half_width, nodes=self.nodes)

    def form_of(self, w: Tensor) -> Tensor:
        """The forms [B, C, COLUMNS] that w (or e) hands on."""
        return self._apart(w)[1].unflatten(1, (self.sample_shape[0], COLUMNS))

    def synthesise(self, w: Tensor, layout: DiskLayout | None = None) -> Tensor:
        """w -> x [B, C, S, S], float32; no gradient reaches the form. layout: of the forms, where there is one."""
        form = self.form_of(w.detach())
        if layout is None:
            layout = self.layout(form).to(w.device)
        known = parts(form.flatten(0, 1))
        potential, weakness, weak = self._drawn(self._apart(w)[0], known, layout)
        potential = potential * (1 + 1j * ABSORPTION * self.absorption.sigmoid())
        curvature = CURVED * known.curvature.exp()
        tables = []
        for beams in layout.groups:
            own = beams.pattern
            light = beam_intensities(potential[:, beams.point], beams.g, curvature[own],
                                     self.aperture * layout.radius[own, None, None], self.slices)
            tables.append(self._dimmed(light, beams, weak, weakness[own]).flatten())
        table, first = torch.cat(tables), layout.pixel_row * len(self.aperture)
        light = sum(weight * table.index_select(0, first + node)
                    for weight, node in zip(layout.pixel_weight, layout.pixel_node, strict=True))
        patterns = light.new_zeros(len(w) * math.prod(self.sample_shape)).index_add(
            0, layout.pixel_place, layout.pixel_cover * light).reshape(-1, *self.sample_shape[1:])
        aperture = math.pi * (layout.radius * self.sample_shape[-1] / (2 * self.half_width)).square()  # in pixels
        patterns = patterns * (self.gain.exp() / aperture)[:, None, None]
        right, left = (table.reshape(-1, len(self.aperture))[layout.g1_rows] @ self.passing).unbind(1)
        patterns = torch.where((left * (1 - EQUAL_INTENSITY) > right)[:, None, None], patterns.flip(1, 2), patterns)
        patterns = _with_half_turn(patterns, residue(known.share[:, HALF_TURN]))
        return self.intensity.normalise(patterns.reshape(-1, *self.sample_shape))

    def forward(self, z: Tensor, class_idx: Tensor, form: Tensor) -> Tensor:
        """z [B, latent_dim], class_idx [B], form [B, C, COLUMNS] -> x [B, C, S, S]."""
        return self.synthesise(self.mapping(z, self.embed(class_idx, form)))

    def _drawn(self, w: Tensor, form: Parts, layout: DiskLayout) -> tuple[Tensor, ...]:
        """What N = B * C patterns are computed from, besides what the form knows.

        The potential [LAYERS, count + 1], weakness [N], and how much of each of the potential's points is weak,
        [count + 1].
        """
        weakness, parity, exponent = self.crystal(w).unflatten(1, (self.sample_shape[0], -1)).flatten(0, 1).split(
            (1, SHARES, SHARES), 1)
        kind = self.kind(w).repeat_interleave(self.sample_shape[0], 0)  # one crystal, whichever way it is looked at
        amount, screening, damping = kind[:, 1:].reshape(-1, self.scatterers, 3).unbind(2)
        amount = _limited(amount).exp()
        g1 = form.g1.exp()[:, None]  # 1/Angstrom
        cell = 1 / (torch.linalg.det(form.net).abs()[:, None] * g1.square())
        plate = form.curvature.exp()[:, None] / g1.square() / PLATE * (CELL / cell).sqrt()
        amount = amount * torch.rsqrt(amount.square().sum(1, keepdim=True)) * plate * _around(AMOUNT, kind[:, :1])
        scatterers = Scatterers(self.place(w).reshape(-1, self.scatterers, 2),
                                self.height(w).reshape(-1, self.scatterers), amount,
                                SCREENING / g1 * _around(SCREENS, screening),
                                DAMPING * g1.square() * _around(DAMPS, damping))
        left = residue(form.share[:, HALF_TURN])
        missing = left * ((left - BROKEN) / BLURRED + exponent[:, HALF_TURN]).sigmoid()
        power = form.share.clamp(min=LEAST_SHARE) ** _around(EXPONENT, exponent)
        share = torch.where(self.half_turn, residue(missing)[:, None], torch.where(form.share > 0, power, 0))
        weight = operations(form.azimuth, share).weight
        weakness = form.weakness + _limited(weakness[:, 0]) * WEAKNESS
        parity = beam_parities(form.share, (parity + self.usual_parity).tanh())
        potential = structure_factors(scatterers, layout.points, weight, parity, weakness.exp(),
                                      LAYERING * (left - missing))
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

    def _apart(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        form = self.sample_shape[0] * COLUMNS
        return joined[:, :-form], joined[:, -form:]


def _with_half_turn(patterns: Tensor, difference: Tensor) -> Tensor:
    """Intensities of patterns [N, S, S] that differ from their half turns [N] as told, see `half_turn_difference`.

    What differs is what layers and potential say; how much of it there is, is the form's. Only small differences are
    made larger: a large one is no multiple of a small one.
    """
    x = (patterns / FLOOR).log1p()
    back = x.flip(1, 2)
    drawn = half_turn_difference(x)
    less, more = difference / drawn, difference.clamp(max=BROKEN) / drawn
    factor = torch.maximum(less.clamp(max=1), more.clamp(max=AMPLIFIED))
    wanted = (x + back + factor[:, None, None] * (x - back)) / 2
    return FLOOR * torch.maximum(wanted, LEFT * torch.minimum(x, back)).expm1()


def _around(usual: tuple[float, float], x: Tensor) -> Tensor:
    """The quantity whose logarithm has this usual value and standard deviation for x of unit variance."""
    mean, deviation = usual
    return (mean + deviation * _limited(x)).exp()


def _limited(x: Tensor) -> Tensor:
    return FARTHEST * torch.tanh(x / FARTHEST)
