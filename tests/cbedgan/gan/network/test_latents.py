from cbedgan.gan.network.latents import latents, z_seeds


def test_each_latent_depends_on_its_own_seed():
    seeds = z_seeds(0, 225, n=3)
    assert seeds.tolist() != z_seeds(0, 216, n=3).tolist() and z_seeds(1, n=2)[0] != z_seeds(1, 0, n=2)[0]
    assert z_seeds(0, 225, n=2, first=1).tolist() == seeds[1:].tolist()
    assert (latents(seeds, 5)[2] == latents(seeds[2:], 5)[0]).all() and latents(z_seeds(1, n=0), 5).shape == (0, 5)
    z = latents(z_seeds(1, n=200), 50)
    assert abs(float(z.mean())) < 0.05 and abs(float(z.std()) - 1) < 0.05
