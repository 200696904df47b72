"""A generator of crystals: light where the form says, alike as its symmetry says, as much as training patterns hold."""

import math

import pytest
import torch

from cbedgan.bench.made_up import made_up_form
from cbedgan.form.form import COLUMNS, FLOOR
from cbedgan.form.pattern_symmetry import half_turn_difference, residue, turned
from cbedgan.gan.network.config import NetworkConfig
from cbedgan.gan.network.contract import Condition, SampleSpec
from cbedgan.gan.network.diffraction_generator import DiffractionGenerator
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform

SIZE, HALF_WIDTH, CLASSES = 32, 2.0, ClassMap((139, 216, 225))
SQUARE, HEXAGONAL = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (-0.5, math.sqrt(3) / 2))
OBLIQUE, FINE = ((1.0, 0.0), (0.3, 1.2)), ((0.5, 0.0), (0.0, 0.7))
RECTANGULAR = ((1.0, 0.0), (0.0, 1.3))
SCALE = IntensityTransform(IntensityConfig(), math.log1p(1e5))
VIEW = ViewConfig(half_width=HALF_WIDTH, size_pixels=SIZE)


def form(net, *, radius=0.4, azimuth=0.0, share=(0, 0, 0, 0), **more):
    """Three equal patterns [1, 3, COLUMNS]."""
    return made_up_form(net, radius=radius, azimuth=azimuth, share=share, **more).expand(1, 3, -1)


@pytest.fixture
def network(tiny_config, tiny_crystals) -> NetworkConfig:
    """Settings of the networks with a generator of crystals."""
    return tiny_config(network=tiny_crystals(scatterers=6, slices=8, nodes=8)).network


def build(network, shape=(3, SIZE, SIZE)):
    return network.generator.build(SampleSpec(shape, CLASSES, VIEW, SCALE), network)


@pytest.fixture
def generator(network) -> DiffractionGenerator:
    """Untrained, but with weights and statistics that make disks differ in all that they can."""
    torch.manual_seed(0)
    made = build(network)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.requires_grad_(False)


def shine(generator, *forms, z=0):
    """Intensity [B, 3, S, S] of one latent and class in several forms."""
    form = torch.cat(forms)
    z = torch.randn(1, generator.latent_dim, generator=torch.Generator().manual_seed(z)).expand(len(form), -1)
    return SCALE.denormalise(generator(z, Condition(torch.ones(len(form), dtype=torch.int64), form)))


def same(one, other):
    """Whether two sets of patterns agree as float32 and the scale of x allow."""
    return bool(((one - other).abs() <= 1e-3 * other + 1e-8).all())


def distance_to_disks(net):
    """[S, S]: from the middle of each pixel to the nearest net point, in |g1|."""
    axis = ((torch.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    steps = torch.arange(-12.0, 13)
    return (places[:, :, None] - torch.cartesian_prod(steps, steps) @ torch.tensor(net)).norm(dim=-1).amin(-1)


@pytest.mark.parametrize("net", [SQUARE, HEXAGONAL, OBLIQUE, FINE], ids=["square", "hexagonal", "oblique", "fine"])
def test_light_falls_into_the_disks_and_nowhere_else(generator, net):
    found, distance = shine(generator, form(net, radius=0.2))[0], distance_to_disks(net)
    pixel = 2 * HALF_WIDTH / SIZE
    assert (found[:, distance < 0.2 - pixel / 2] > 0).all()
    assert float(found[:, distance > 0.2 + 1.35 * pixel].max()) < 1e-9
    assert float(found[:, distance > 0.2 + pixel].max()) < 0.01 * float(found.max())


@pytest.mark.parametrize(("net", "azimuth", "share", "image"), [
    (OBLIQUE, 0.0, (1, 0, 0, 0), lambda x: x.flip(2, 3)), (SQUARE, 0.0, (0, 0, 0, 1), lambda x: x.flip(2)),
    (SQUARE, math.pi / 2, (0, 0, 0, 1), lambda x: x.flip(3)), (SQUARE, math.pi / 4, (0, 0, 0, 1), lambda x: x.mT),
    (SQUARE, 0.0, (1, 0, 1, 0), lambda x: x.rot90(1, (2, 3))), (FINE, 0.0, (1, 0, 0, 1), lambda x: x.flip(3))],
    ids=["half turn", "mirror x", "mirror y", "mirror diagonal", "quarter turn", "overlapping"])
def test_whole_symmetries_hold_to_the_pixel(generator, net, azimuth, share, image):
    alike, free = shine(generator, form(net, azimuth=azimuth, share=share), form(net)).split(1)
    assert same(image(alike), alike) and not same(image(free), free)
    assert float((image(free) - free).abs().sum() / free.sum()) > 0.05


def test_a_three_fold_axis_holds_as_far_as_pixels_tell(generator):
    found = shine(generator, form(HEXAGONAL, share=(0, 1, 0, 0)), form(HEXAGONAL))
    turn = turned(torch.full((2,), 2 * math.pi / 3), torch.zeros(2, dtype=torch.bool))
    grid = torch.nn.functional.affine_grid(torch.nn.functional.pad(turn, (0, 1)), list(found.shape),
                                           align_corners=False)
    logarithm = (found + 1e-7).log()
    image = torch.nn.functional.grid_sample(logarithm, grid, align_corners=False, mode="bicubic")
    inside = (distance_to_disks(HEXAGONAL) < 0.2) & (distance_to_disks(((9.0, 0.0), (0.0, 9.0))) < 1.7)
    alike, free = ((image - logarithm)[k][:, inside].abs().mean() for k in range(2))
    assert alike < 0.3 * free


def test_nearly_a_symmetry_is_between_none_and_all(generator):
    free, near, whole = shine(generator, *(form(OBLIQUE, share=(share, 0, 0, 0)) for share in (0, 0.9, 1))).add(
        1e-7).log()
    left = [float((x - x.flip(1, 2)).abs().mean()) for x in (free, near, whole)]
    assert left[0] > 1.5 * left[1] > 0.1 and left[2] < 1e-2 * left[0]


def test_patterns_differ_from_their_half_turns_as_told(generator):
    told = torch.tensor([0.0, 0.01, 0.03, 0.1])
    found = shine(generator, *(form(OBLIQUE, share=(float(residue(left)), 0, 0, 0)) for left in told))
    differ = torch.stack([half_turn_difference((found[:, k] / FLOOR).log1p()) for k in range(3)], 1)
    torch.testing.assert_close(differ, told[:, None].expand(-1, 3), rtol=0.05, atol=1e-4)


def test_a_half_turn_that_is_missing_in_projection_is_not_made_up(generator):
    free, = shine(generator, form(OBLIQUE))
    assert (half_turn_difference((free / FLOOR).log1p()) > 0.12).all()
    light = float(shine(generator, form(OBLIQUE, share=(1, 0, 0, 0))).sum() / free.sum())
    assert 0.5 < light < 2


def test_the_form_that_w_ends_with_decides_where_disks_lie(generator):
    z, class_idx = torch.randn(2, generator.latent_dim), torch.tensor([0, 2])
    e = generator.embed(Condition(class_idx, torch.cat((form(SQUARE, radius=0.3), form(OBLIQUE, radius=0.3)))))
    w = generator.mapping(z, e)
    assert torch.equal(generator.form_of(e), generator.form_of(w))
    swapped = torch.cat((w[:, : -3 * COLUMNS], w.flip(0)[:, -3 * COLUMNS :]), 1)
    found = SCALE.denormalise(generator.synthesise(torch.cat((w, swapped)))) > 1e-9
    assert torch.equal(found[2:], found[:2].flip(0)) and not torch.equal(found[0], found[1])


def test_a_layout_at_hand_changes_nothing(generator):
    forms = torch.cat((form(SQUARE, share=(1, 0, 0, 0)), form(OBLIQUE)))
    w = generator.mapping(torch.randn(2, generator.latent_dim), generator.embed(Condition(torch.tensor([0, 1]), forms)))
    assert torch.equal(generator.synthesise(w, generator.layout(forms)), generator.synthesise(w))


def test_no_stack_sees_what_stands_beside_it(generator):
    forms = torch.cat((form(FINE, radius=0.5, share=(1, 0, 0, 1)), form(SQUARE), form(OBLIQUE)))
    z, class_idx = torch.randn(3, generator.latent_dim), torch.arange(3)
    together = generator(z, Condition(class_idx, forms))
    for k in range(3):
        alone = generator(z[k : k + 1], Condition(class_idx[k : k + 1], forms[k : k + 1]))
        torch.testing.assert_close(together[k : k + 1], alone, atol=2e-4, rtol=1e-3)


def test_gradients_reach_latent_class_and_weights_but_no_form(generator):
    generator.requires_grad_(True)
    z = torch.randn(1, generator.latent_dim, requires_grad=True)
    e = generator.embed(Condition(torch.tensor([1]), form(OBLIQUE, share=(1, 0, 0, 0)))).detach().requires_grad_()
    w = generator.mapping(z, e)
    w.retain_grad()
    generator.synthesise(w).square().sum().backward()
    ends = slice(-3 * COLUMNS, None)
    assert z.grad.abs().sum() > 0 and e.grad[:, :-3 * COLUMNS].abs().sum() > 0
    assert (w.grad[:, ends] == 0).all() and (e.grad[:, ends] == 0).all() and w.grad[:, : -3 * COLUMNS].abs().sum() > 0
    used = [name for name, parameter in generator.named_parameters()
            if parameter.grad is None and not name.startswith(("embedding", "of_form"))]
    assert not used  # every weight has its part
    assert all(torch.isfinite(parameter.grad).all() for parameter in generator.parameters()
               if parameter.grad is not None)


def test_class_latent_and_symmetry_each_change_what_is_shown(generator):
    z = torch.randn(2, generator.latent_dim, generator=torch.Generator().manual_seed(1))
    forms, one = form(OBLIQUE).expand(2, -1, -1), torch.ones(2, dtype=torch.int64)
    by_latent = generator(z, Condition(one, forms))
    by_class = generator(z[:1].expand(2, -1), Condition(torch.tensor([0, 2]), forms))
    for first, second in (by_latent, by_class):
        assert float((first - second).abs().max()) > 1e-3
    patterns = by_latent[0]
    assert float((patterns[0] - patterns[1]).abs().max()) > 1e-3  # the three of a stack are not one


def test_it_begins_with_as_much_light_as_training_patterns_hold(network):
    forms = torch.cat((form(SQUARE), form(OBLIQUE))).repeat(6, 1, 1)
    light = torch.rand(12, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) / SIZE**2
    made = build(network).requires_grad_(False)
    for unit in (1.0, 50.0):  # whatever the unit of the stacks is
        made.fit(SCALE.normalise(unit * light), Condition(torch.zeros(12), forms))
        drawn = torch.cat([shine(made, *forms[:2, None], z=z).sum((2, 3)) for z in range(8)])
        assert float(drawn.log().mean()) == pytest.approx(math.log(unit / 2), abs=0.2)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_begins_with_usual_values_wherever_chance_puts_the_weights(network, seed):
    torch.manual_seed(seed)
    made = build(network).requires_grad_(False)
    forms = form(OBLIQUE).expand(64, -1, -1)
    made.fit(torch.rand(64, 3, SIZE, SIZE), Condition(torch.zeros(64), forms))
    z, class_idx = torch.randn(300, made.latent_dim), torch.arange(300) % 3
    w = made.mapping(z, made.embed(Condition(class_idx, forms[:1].expand(300, -1, -1))))[:, : made.mapping_dim]
    for layer in (made.kind, made.crystal):
        drawn = layer(w)
        assert (drawn.mean(0).abs() < 0.35 * drawn.std(0) + 1e-3).all()


def test_stacks_without_light_still_give_finite_statistics(network):
    made = build(network)
    made.fit(SCALE.normalise(torch.zeros(4, 3, SIZE, SIZE)), Condition(torch.zeros(4), form(FINE).expand(4, -1, -1)))
    assert all(torch.isfinite(buffer).all() for buffer in made.buffers())


def test_g1_points_to_the_brighter_of_its_two_disks_as_in_canonical_pose(generator):
    x = torch.cat([shine(generator, form(OBLIQUE), form(RECTANGULAR), z=z) for z in range(4)]).flatten(0, 1)
    axis = ((torch.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    right, left = ((x * (torch.hypot(axis - side, axis[:, None]) < 0.4)).sum((1, 2)) for side in (1.0, -1.0))
    assert (right > 0.9 * left).all() and (right > 1.05 * left).any()


def test_odd_reflections_along_a_glide_line_are_dark_in_their_middle_and_others_are_not(generator):
    glide, plain = shine(generator, form(RECTANGULAR, share=(0, 0, 0, 1), azimuth=0.0, glide=(1, 0)),
                         form(RECTANGULAR, share=(0, 0, 0, 1), azimuth=0.0))
    def middle(x, h):
        return x[:, SIZE // 2 - 1 : SIZE // 2 + 1, SIZE // 2 + h * 8 - 2 : SIZE // 2 + h * 8 + 2].mean()
    for h in (-1, 1):
        assert middle(glide, h) < 0.05 * middle(plain, h)
    for x in (glide, plain):
        assert same(x.flip(1)[None], x[None])


@pytest.mark.parametrize("weakness", [-0.5, -1.5, -3.0])
def test_reflections_off_the_bright_part_of_a_net_hold_the_light_that_the_form_says(generator, weakness):
    generator.crystal.weight.zero_()
    generator.crystal.bias.zero_()
    x, = shine(generator, form(FINE, radius=0.2, strong=(2, 0, 1), weakness=weakness))
    axis = ((torch.arange(SIZE) + 0.5) / SIZE * 2 - 1) * HALF_WIDTH
    light = {(h, k): float((x[0] * (torch.hypot(axis - 0.5 * h, axis[:, None] - 0.7 * k) < 0.3)).sum())
             for h in range(-3, 4) for k in range(-2, 3) if h or k}
    bright = [value for (h, k), value in light.items() if h % 2 == 0 and math.hypot(0.5 * h, 0.7 * k) > 0.97]
    weak = [value for (h, k), value in light.items() if h % 2 or math.hypot(0.5 * h, 0.7 * k) < 0.97]
    assert sum(weak) / len(weak) == pytest.approx(math.exp(2 * weakness) * sum(bright) / len(bright), rel=0.05)


@pytest.mark.parametrize("shape", [(3, 64), (3, 32, 16)])
def test_it_draws_square_patterns_alone(network, shape):
    with pytest.raises(InputError, match='network.generator: the kind "diffraction" draws square patterns'):
        build(network, shape)


@pytest.mark.parametrize("changes", [{"screening": 0.5}, {"most_beams": 20}, {"curved": 1.0}, {"samples_a_pixel": 1}])
def test_what_is_drawn_follows_the_constants_of_its_settings(network, generator, changes):
    crystals = network.generator
    other = network.model_copy(update={"generator": crystals.model_copy(update={
        "drawing": crystals.drawing.model_copy(update=changes)})})
    drawn = build(other)
    drawn.load_state_dict(generator.state_dict())
    wide = form(FINE, radius=0.4)
    assert not same(shine(drawn, wide), shine(generator, wide))
