"""A generator that draws disks where the form of a stack says: it learns what reflections show, not where they are.

A few scatterers in the net's cell make reflections strong and weak as a structure factor does; a small network, told
their phases, adds the content of each disk; the pattern's symmetry is imposed by a mean over its operations, exactly.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from cbedgan.gan.conditioning import class_embedding
from cbedgan.gan.disk_layout import NODES, DiskLayout, lay_out, neighbours, nodes
from cbedgan.gan.disk_statistics import DIRECT, disk_statistics, total_statistics
from cbedgan.gan.form import COLUMNS, INVARIANTS, invariants
from cbedgan.gan.networks import SLOPE, NetworkConfig, linear, mapped
from cbedgan.gan.zernike import modes, moved, polynomials
from classifier.intensity import IntensityTransform
from classifier.spacegroup import ClassMap

LAYERS = 3  # of the network behind the contents, each scaled and shifted from w
FARTHEST = 2.5  # standard deviations that the network can move a level, a contrast or the light of a pattern
TINY = 1e-12
FITTED = 512  # training stacks whose disks are measured
WEAKEST = 0.02  # |F|^2, in scatterers' mean square, below which a reflection is no weaker


class DiskGenerator(nn.Module):
    """(z, class, form) -> x, with the methods of `networks.Generator`; e and w end with the form, which they hand on.

    Contents are Zernike coefficients of the logarithm of the intensity: a level, and a shape that varies as much as a
    contrast says; training disks give the scale of all three, see disk_statistics. What a pattern holds in all varies
    as in training patterns too: what goes into one reflection is lost to the others. half_width: in |g1|.
    """

    def __init__(self, sample_shape: tuple[int, int, int], config: NetworkConfig, class_map: ClassMap, *,
                 half_width: float, intensity: IntensityTransform) -> None:
        super().__init__()
        disks, patterns, w = config.disks, sample_shape[0], config.mapping_dim
        self.sample_shape, self.half_width, self.intensity = sample_shape, half_width, intensity
        self.latent_dim, self.mapping_dim = config.latent_dim, w
        self.order, self.scatterers = disks.order, disks.scatterers
        self.embedding = class_embedding(config.conditioning, class_map, config.embedding_dim)
        self.of_form = nn.Sequential(linear(patterns * INVARIANTS, config.embedding_dim), nn.LeakyReLU(SLOPE),
                                     nn.Linear(config.embedding_dim, config.embedding_dim))
        sizes = [config.latent_dim + config.embedding_dim] + [w] * config.mapping_layers
        self.mapping_layers = nn.ModuleList(linear(*pair) for pair in pairwise(sizes))
        self.place = nn.Linear(w, patterns * disks.scatterers * 2)
        self.strength = nn.Linear(w, patterns * disks.scatterers)
        inputs = [4 + 2 * disks.scatterers] + [disks.width] * LAYERS
        self.layers = nn.ModuleList(linear(*pair) for pair in pairwise(inputs))
        self.scale, self.shift = (nn.ModuleList(nn.Linear(w, patterns * disks.width) for _ in range(LAYERS))
                                  for _ in range(2))
        coefficients = 2 * len(modes(disks.order))
        self.contents = linear(disks.width, coefficients + 1)  # the level in place of the first; and the contrast
        self.contrast = linear(w, patterns * 2)
        self.brightness = linear(w, patterns)
        for name in ("level", "log_contrast"):  # of diffracted disks and the direct disk: mean, spread
            self.register_buffer(name, torch.tensor(((0.0, 1.0), (0.0, 1.0))))
        self.register_buffer("shape", torch.tensor((0.0, 1.0))[None, :, None].repeat(2, 1, coefficients))
        self.register_buffer("total", torch.tensor((0.0, 0.0)))
        self.register_buffer("table", polynomials(disks.order, nodes()), persistent=False)

    def fit(self, x: Tensor, form: Tensor) -> None:
        """Take the statistics of disks from training stacks x [N, C, S, S] and their forms [N, C, COLUMNS]."""
        some = slice(None, None, -(-len(x) // FITTED))
        intensity = self.intensity.denormalise(x[some])
        found = disk_statistics(intensity, form[some], order=self.order, half_width=self.half_width)
        for held, measured in zip((self.level, self.log_contrast, self.shape), found, strict=True):
            held.copy_(measured)
        self.total.copy_(total_statistics(intensity))

    def embed(self, class_idx: Tensor, form: Tensor) -> Tensor:
        """class_idx [B] int64, form [B, C, COLUMNS] -> e [B, embedding_dim + C * COLUMNS]."""
        return torch.cat((self.embedding(class_idx) + self.of_form(invariants(form)), form.flatten(1)), 1)

    def mapping(self, z: Tensor, e: Tensor) -> Tensor:
        """z [B, latent_dim], e -> w [B, mapping_dim + C * COLUMNS]; only the direction of z matters."""
        e, form = self._apart(e)
        return torch.cat((mapped(self.mapping_layers, z, e), form), 1)

    def layout(self, form: Tensor) -> DiskLayout:
        """Where disks of forms [B, C, COLUMNS] lie in the frame, on the CPU."""
        return lay_out(form, size=self.sample_shape[-1], half_width=self.half_width)

    def form_of(self, w: Tensor) -> Tensor:
        """The forms [B, C, COLUMNS] that w (or e) hands on."""
        return self._apart(w)[1].unflatten(1, (self.sample_shape[0], COLUMNS))

    def synthesise(self, w: Tensor, layout: DiskLayout | None = None) -> Tensor:
        """w -> x [B, C, S, S], float32; no gradient reaches the form. layout: of the forms, where there is one."""
        form = self.form_of(w.detach())
        if layout is None:
            layout = self.layout(form).to(w.device)
        w, _ = self._apart(w)
        coefficients = self._coefficients(w, layout)
        contents = (coefficients @ self.table.T).flatten()  # of every disk at every node
        logarithm = sum(weight * contents.index_select(0, layout.pixel_disk * NODES**2 + node)
                        for weight, node in zip(layout.pixel_weight, neighbours(layout), strict=True))
        light = layout.pixel_cover * logarithm.exp()
        patterns = light.new_zeros(len(w) * math.prod(self.sample_shape)).index_add(0, layout.pixel_place, light)
        patterns = patterns.reshape(len(w), *self.sample_shape)
        total = self.total[0] + self.total[1] * _limited(self.brightness(w))
        patterns = patterns * (total.exp() / patterns.sum((2, 3)))[..., None, None]
        return self.intensity.normalise(patterns)

    def forward(self, z: Tensor, class_idx: Tensor, form: Tensor) -> Tensor:
        """z [B, latent_dim], class_idx [B], form [B, C, COLUMNS] -> x [B, C, S, S]."""
        return self.synthesise(self.mapping(z, self.embed(class_idx, form)))

    def _coefficients(self, w: Tensor, layout: DiskLayout) -> Tensor:
        """Zernike coefficients [D, 2 K] of all disks: means over what their images under the symmetry look like."""
        direct = (layout.image_g.norm(dim=1, keepdim=True) < DIRECT).to(w)
        level, contrast, shape = self._images(w, layout, direct)
        bright, shown = layout.image_weight[:, :1], layout.image_weight[:, 1:]
        images = torch.cat((bright * level, bright * contrast, shown * shape, bright * direct), 1)
        means = images.new_zeros(len(layout.pattern), images.shape[1]).index_add(0, layout.image_disk, images)
        level, contrast, shape, direct = means.split((1, 1, self.shape.shape[2], 1), 1)
        level, contrast = (torch.lerp(scale[0, 0], scale[1, 0], direct) + found * torch.lerp(
            scale[0, 1], scale[1, 1], direct) for found, scale in ((level, self.level), (contrast, self.log_contrast)))
        # A mean shows less than what it is taken of: the contrast is given back to it.
        shape = shape * (contrast.exp() * torch.rsqrt(shape.square().sum(1, keepdim=True) + TINY))
        return torch.cat((level, shape[:, 1:]), 1)

    def _images(self, w: Tensor, layout: DiskLayout, direct: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Level [E, 1], contrast [E, 1] and shape [E, 2 K] of the disks' images, brought back to where the disks lie.

        Levels and contrasts are in standard deviations; direct: [E, 1], 1 for images of a direct disk, else 0.
        """
        owner = layout.pattern.index_select(0, layout.image_disk)

        def of_pattern(values: Tensor) -> Tensor:
            """Values [B, C * n] of the patterns as [E, n] of the disks' images."""
            return values.reshape(-1, values.shape[1] // self.sample_shape[0]).index_select(0, owner)

        place = of_pattern(self.place(w)).unflatten(1, (self.scatterers, 2))
        phase = 2 * math.pi * (place @ layout.image_hk[..., None]).squeeze(-1)
        strength = functional.softplus(of_pattern(self.strength(w)))
        strength = strength * torch.rsqrt(strength.square().sum(1, keepdim=True))
        length = layout.image_g.norm(dim=1, keepdim=True)
        y = torch.cat((layout.image_g, length, direct, phase.cos(), phase.sin()), 1)
        power = (strength * phase.cos()).sum(1).square() + (strength * phase.sin()).sum(1).square()
        for layer, scale, shift in zip(self.layers, self.scale, self.shift, strict=True):
            y = functional.leaky_relu(layer(y) * (1 + of_pattern(scale(w))) + of_pattern(shift(w)), SLOPE)
        level, shape, own_contrast = self.contents(y).split((1, self.shape.shape[2] - 1, 1), 1)
        level = _limited(level) + (power + WEAKEST).log()[:, None] * (1 - direct) / 2
        of_all = of_pattern(self.contrast(w))
        contrast = _limited((own_contrast + torch.where(direct > 0, of_all[:, 1:], of_all[:, :1])) / 2**0.5)
        mean, spread = (torch.lerp(*self.shape[:, kind], direct) for kind in (0, 1))
        shape = mean + functional.pad(shape, (1, 0)) * spread
        # Azimuths within a disk begin at that of g: along g, not across it, a reflection is excited more or less.
        angle = layout.image_angle - torch.atan2(layout.image_g[:, 1], layout.image_g[:, 0])
        return level, contrast, moved(shape, self.order, angle, layout.image_mirrored)

    def _apart(self, joined: Tensor) -> tuple[Tensor, Tensor]:
        form = self.sample_shape[0] * COLUMNS
        return joined[:, :-form], joined[:, -form:]


def _limited(x: Tensor) -> Tensor:
    return FARTHEST * torch.tanh(x / FARTHEST)
