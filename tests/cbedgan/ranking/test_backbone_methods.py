from cbedgan.ranking.methods import load_methods
from cbedgan.ranking.rank import RankConfig
from classifier.foundation.config import load_config
from project import CONFIGS


def test_the_networks_differ_in_what_their_names_say():
    methods = load_methods(CONFIGS / "backbones")
    assert load_config(CONFIGS / "bench/compare_backbones.toml", RankConfig).judgement.reference in methods
    models = {name: method.train.model for name, method in methods.items()}
    assert models.pop("symmetry").kind == "symmetry"
    ranked = load_methods(CONFIGS / "imbalance")["balanced_softmax"].train
    ideal = {"measurement": None, "ideal_share": 0.0, "judged_under": (), "model": methods["symmetry"].train.model}
    assert ranked.model_copy(update=ideal) == methods["symmetry"].train  # the ranked network, but for the condition
    comparisons = {name: models.pop(name) for name in [*models] if name.startswith("comparison")}
    assert {name: model.stated_features for name, model in comparisons.items()} == {
        "comparison": False, "comparison_and_symmetry": True}
    assert not models["azimuthal"].widths
    assert all(model.azimuthal_features == ("azimuthal" in name) for name, model in models.items())
    assert all(model.pose_input == ("pose" in name) for name, model in models.items())
    assert all(model.self_comparison == ("self_comparison" in name) for name, model in models.items())
    residual = methods["residual"].train
    for name, method in methods.items():
        if name.startswith("residual"):
            assert method.train.augment.shift_pixels == (name == "residual_shifted"), name
            alike = {"model": residual.model, "augment": residual.augment}
            assert method.train.model_copy(update=alike) == residual, name
