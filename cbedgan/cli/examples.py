"""One command for each verb, shown at the end of its help; a test reads every one with the verb's own options."""

_SPLIT = "--samples stacks.h5 --split split.json"

EXAMPLES = {
    "simulate": "cbedgan simulate --config configs/demo/simulate.toml --out stacks.h5",
    "crystals": "cbedgan crystals --config configs/demo/simulate.toml",
    "prepare": "cbedgan prepare --config configs/olcf/prepare.toml --source downloads/olcf --out stacks.h5",
    "import": "cbedgan import --config configs/import/import.toml --like builtin:demo scan.hspy --out mine.h5",
    "import-curves": "cbedgan import-curves --config configs/import/powder.toml scan.xy --out mine.h5",
    "export-olcf": "cbedgan export-olcf stacks.h5 --out published",
    "inspect": "cbedgan inspect stacks.h5 --verify --html stacks.html",
    "split": "cbedgan split --config configs/demo/split.toml --samples stacks.h5 --out split.json",
    "folds": f"cbedgan folds --config configs/demo/folds.toml {_SPLIT} --out folds",
    "train-clf": f"cbedgan train-clf --config configs/demo/train_clf.toml {_SPLIT} --out runs/classifier",
    "train-baseline": f"cbedgan train-baseline --config configs/baselines/logistic.toml {_SPLIT} --out runs/logistic",
    "adjust-clf": "cbedgan adjust-clf --config configs/demo/adjust_clf.toml "
                  f"--classifier runs/classifier/classifier.safetensors {_SPLIT} --out runs/adjusted",
    "predict": "cbedgan predict mine.h5 --classifier builtin:demo --out answers.npz",
    "judge": "cbedgan judge runs/classifier/predictions.npz --out runs/judgement",
    "acquire": f"cbedgan acquire --config configs/acquisition/demo.toml {_SPLIT} --out runs/acquire",
    "label-next": "cbedgan label-next --classifier runs/classifier/classifier.safetensors --pool unlabelled.h5 "
                  "--strategy margin --out next.json",
    "train-gan": f"cbedgan train-gan --config configs/demo/train_gan.toml {_SPLIT} --out runs/generator",
    "sample": "cbedgan sample --generator builtin:demo --groups 225:10,216:10 --seed 0 "
              "--out drawn.h5 --cif crystals",
    "assess": "cbedgan assess --config configs/bench/assess_crystals.toml "
              f"--generator runs/generator/generator.safetensors {_SPLIT} --out runs/assessed",
    "probe": "cbedgan probe --config configs/pixels/probe.toml --generator runs/generator/generator.safetensors "
             f"--classifier runs/classifier/classifier.safetensors {_SPLIT} --out probe.h5",
    "distort": "cbedgan distort --config configs/demo/distort.toml "
               f"--classifier runs/classifier/classifier.safetensors {_SPLIT} --out runs/distort",
    "synthesize": "cbedgan synthesize --config configs/demo/synthesize.toml "
                  "--generator runs/generator/generator.safetensors "
                  "--classifier runs/classifier/classifier.safetensors --paths runs/distort "
                  f"{_SPLIT} --out synthetic.h5",
    "rounds": "cbedgan rounds --config configs/demo/rounds.toml --generator runs/generator/generator.safetensors "
              f"{_SPLIT} --out runs/rounds",
    "gate": f"cbedgan gate --config configs/demo/gate.toml --synthetic synthetic.h5 {_SPLIT} --out runs/gate",
    "choose": "cbedgan choose --config configs/bench/choose.toml --pool pool.h5 "
              f"--classifier runs/classifier/classifier.safetensors {_SPLIT} --out chosen.h5",
    "compare": f"cbedgan compare --config configs/demo/compare.toml {_SPLIT} --synthetic synthetic.h5 "
               "--out runs/compare",
    "study": f"cbedgan study --config configs/bench/study.toml {_SPLIT} --source natural=random.h5 --plan "
             "--out runs/study",
    "rank": f"cbedgan rank --config configs/bench/compare_methods.toml --methods configs/imbalance {_SPLIT} "
            "--out runs/ranking",
    "compare-generators": "cbedgan compare-generators --config configs/bench/compare_generators.toml "
                          f"--variants configs/gan {_SPLIT} --out runs/variants",
    "demo": "cbedgan demo --pretrained --out runs/demo",
    "pretrain": "cbedgan pretrain --out runs/pretrain",
    "models": "cbedgan models demo",
    "doctor": "cbedgan doctor --json machine.json",
    "config show": "cbedgan config show train-clf",
    "config copy": "cbedgan config copy train-clf my_train_clf.toml",
    "bench simulate": "cbedgan bench simulate",
    "bench data": "cbedgan bench data --folder scratch",
    "bench train-clf": "cbedgan bench train-clf --config configs/bench/train_clf.toml --folder scratch",
    "bench trust": "cbedgan bench trust --classifier runs/classifier/classifier.safetensors "
                   f"{_SPLIT}",
    "bench explain": f"cbedgan bench explain {_SPLIT} --condition ordinary",
    "bench pose": f"cbedgan bench pose {_SPLIT} --condition ordinary --most 20",
    "bench render": "cbedgan bench render --samples stacks.h5 --most 20",
    "bench powder": "cbedgan bench powder --crystals my/cifs",
}
