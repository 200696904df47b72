"""Verbs that make, bring in, look at and part stacks."""

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from cbedgan.cli.app import app, read, wrote, wrote_json
from cbedgan.cli.arguments import (
    CORES,
    NAMES_OF_SAMPLES,
    Config,
    File,
    Files,
    Json,
    SampleFile,
    Split,
    Stacks,
    Workers,
    classifier_named,
    named,
)
from classifier.foundation.errors import InputError

Layout = Literal["olcf", "stfc"]
SIMULATION_PACKAGES = ("moyopy", "pymatgen")
EXIT_DAMAGED = 1


@app.command()
def simulate(config: Config, out: SampleFile, workers: Workers = CORES,
             crystals: Annotated[Path | None, typer.Option(
                 help="Structure file, or folder of them, in place of the plan.")] = None,
             split: Annotated[Path | None, typer.Option(
                 help="split.json: share no structure type and no formula with its validation and test parts.")] = None,
             stacks: Annotated[Path | None, typer.Option(*NAMES_OF_SAMPLES,
                                                         help="With --split: the sample file that was split.")] = None,
             shard: Annotated[str | None, typer.Option(
                 metavar="i/n", help="Work on that share only; the same without this merges.")] = None,
             merge: Annotated[bool, typer.Option(help="With --shard: make a stack file of that share alone.")] = False,
             device: Annotated[str, typer.Option(help="cpu, or cuda, which all processes share.")] = "cpu",
             slurm: Annotated[int | None, typer.Option(
                 min=1, metavar="n", help="Submit n shares as a SLURM array (needs the extra \"slurm\").")] = None,
             partition: Annotated[str | None, typer.Option(help="Of SLURM.")] = None,
             minutes: Annotated[int, typer.Option(min=1, help="Of one SLURM job; then it is queued again.")] = 240,
             at_once: Annotated[int, typer.Option(min=1, help="SLURM jobs at a time.")] = 64) -> None:
    """Simulate CBED stacks, powder patterns or PDFs of crystals into a sample file (needs the extra "simulate")."""
    missing = [name for name in SIMULATION_PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(source="cbedgan simulate", rule="needs the extra 'simulate'", value=f"no {', '.join(missing)}",
                         remedy="Install it, in the clone: pip install '.[simulate]'.")
    from cbedgan.simulate.held_out import HeldOut
    from cbedgan.simulate.manifest import Share
    from cbedgan.simulate.set_config import set_model
    from cbedgan.simulate.simulate import simulate as stage

    if (split is None) != (stacks is None):
        raise InputError(source="--split and --samples", rule="go together", value="one of them",
                         remedy="Give the split and the stack file that it parts, or neither.")
    settings = read(config, set_model(config))
    held_out = None if split is None or stacks is None else HeldOut.of(split, stacks)
    if slurm is None:
        share = None if shard is None else Share.parse(shard)
        wrote(stage(settings, out=out, workers=workers, crystals=crystals, share=share, alone=merge, device=device,
                    held_out=held_out))
        return
    from cbedgan.simulate.slurm import Cluster, submit

    jobs = submit(settings, Cluster(slurm, minutes, at_once, partition), out=out, workers=workers, crystals=crystals,
                  device=device, held_out=held_out)
    print(f"Submitted {len(jobs)} jobs from {jobs[0].job_id} on. The same without --slurm merges at the end.")


@app.command()
def crystals(config: Config,
             files: Annotated[Path | None, typer.Option(help="Structure file or folder, to be counted too.")] = None,
             tries: Annotated[int, typer.Option(min=1, help="Crystals drawn of each group.")] = 4,
             against: Annotated[str | None, typer.Option(
                 metavar="prototypes|PATH", help="Instead, can what is drawn be told from prototypes with other "
                 "elements, or from structure files? A two-sample test on ten descriptors.")] = None) -> None:
    """Count the crystals, space groups and structure types of each source (config: of simulate)."""
    from cbedgan.crystal.census.against import told_apart, told_apart_table
    from cbedgan.crystal.census.counts import count_sources, source_table
    from cbedgan.simulate.set_config import set_model

    settings = read(config, set_model(config))
    if against is not None:
        Console().print(told_apart_table(told_apart(settings.crystals, against, seed=settings.seed), against))
        return
    Console().print(source_table(count_sources(settings.crystals, seed=settings.seed, tries=tries, files=files)))


@app.command()
def prepare(config: Config, out: SampleFile,
            source: Annotated[Path, typer.Option(help="Folder into which the data set was unpacked.")],
            workers: Workers = CORES,
            layout: Annotated[Layout | None, typer.Option(help="Of the source; by its folders when left out.")]
            = None) -> None:
    """Reduce the published OLCF data set (10.13139/OLCF/1510313), or its STFC copy, to a stack file."""
    from classifier.published import prepare as stage

    wrote(stage.prepare(read(config, stage.PrepareConfig), source=source, out=out, workers=workers, layout=layout))


@app.command("import")
def import_(config: Config, out: SampleFile,
            files: Annotated[list[Path], typer.Argument(help="HyperSpy, NeXus, EMD, .npy or TIFF files.")],
            like: Annotated[Path | None, typer.Option(
                callback=classifier_named, help="Classifier (.safetensors, or builtin:demo) whose detector, pose and "
                "unit the patterns shall have.")] = None,
            dark: Annotated[Path | None, typer.Option(help="File of one pattern without the beam, subtracted.")] = None,
            ) -> None:
    """Bring your own patterns into a stack file that predict accepts."""
    from classifier.imported.import_patterns import ImportConfig, import_patterns

    wrote(import_patterns(read(config, ImportConfig), files=files, out=out, like=like, dark=dark))


@app.command("import-curves")
def import_curves_(config: Config, out: SampleFile,
                   files: Annotated[list[Path], typer.Argument(help=".xy, .csv, .gr, .chi or .xrdml, one curve each.")],
                   like: Annotated[Path | None, typer.Option(
                       callback=classifier_named,
                       help="Classifier (.safetensors) whose axis the curves shall have.")] = None) -> None:
    """Bring your own powder patterns or pair distribution functions into a file that predict accepts."""
    from classifier.imported.import_curves import ImportCurvesConfig, import_curves

    wrote(import_curves(read(config, ImportCurvesConfig), files=files, out=out, like=like))


@app.command("export-olcf")
def export_olcf(out: Annotated[Path, typer.Option(help="Folder for train/, dev/ and test/; the same command resumes.")],
                file: Annotated[Path | None, typer.Argument(help="Sample file of simulate: raw pose, 512 pixels.")]
                = None, stacks: Files = None,
                samples_per_file: Annotated[int, typer.Option(min=1, help="Samples in a batch file.")] = 20,
                partition: Annotated[str | None, typer.Option(help="Part of stacks that have none: train, validation "
                                                              "or test.")] = None) -> None:
    """Write simulated stacks in the layout of the published OLCF data set (see configs/olcf/simulate.toml)."""
    from cbedgan.simulate.olcf_layout import export_olcf as write

    [path] = named([file] if file else [], stacks, verb="export-olcf")
    wrote(write(path, out=out, samples_per_file=samples_per_file, partition=partition))


@app.command()
def inspect(files: Annotated[list[Path] | None, typer.Argument(help="Sample files, or folders of them.")] = None,
            stacks: Files = None,
            verify: Annotated[bool, typer.Option(help="Read every stack and check it.")] = False,
            split: Annotated[Path | None, typer.Option(help="split.json: look for leaks between its parts.")] = None,
            json: Json = None,
            html: Annotated[Path | None, typer.Option(help="Write the same as a page, with pictures.")] = None,
            power: Annotated[bool, typer.Option(
                help="Also say which difference of balanced accuracy the held-out parts can tell.")] = False,
            against: Annotated[Path | None, typer.Option(
                help="Another build of the file's set: compare plans and pixels (code 1: they differ).")] = None,
            tolerance: Annotated[float | None, typer.Option(
                min=0.0, help="With --against: relative L1 that last bits may explain.")] = None) -> None:
    """Count what stack files hold of each space group, and say what is wrong with them (code 1: damaged)."""
    from classifier.inspection.against import TOLERANCE, compare_builds
    from classifier.inspection.catalog import catalog
    from classifier.inspection.page import write_inspection_page
    from classifier.inspection.power import part_powers, power_table

    paths = named(files, stacks, verb="inspect", one=False)
    if against is not None:
        if len(paths) != 1 or html is not None or split is not None:
            raise InputError(source="--against", rule="compares two files, and goes with --json and --tolerance alone",
                             value=" ".join(map(str, paths)), remedy="Name one stack file, without --html and --split.")
        compared = compare_builds(paths[0], against, tolerance=TOLERANCE if tolerance is None else tolerance)
        Console().print(str(compared), soft_wrap=True, highlight=False, markup=False)
        wrote_json(json, compared.to_json())
        if not compared.agree:
            raise typer.Exit(EXIT_DAMAGED)
        return
    counted = catalog(paths, verify=verify, split=split)
    Console().print(counted.table())
    powers = part_powers(counted) if power else []
    if power:
        Console().print(power_table(powers))
    wrote_json(json, counted.to_json() | ({"power": [asdict(row) for row in powers]} if power else {}))
    if html is not None:
        write_inspection_page(html, counted)
        wrote(html)
    if counted.faults:
        raise typer.Exit(EXIT_DAMAGED)


@app.command()
def split(config: Config, stacks: Stacks, out: File) -> None:
    """Part the materials into train, validation and test."""
    from classifier.samples import split as stage

    wrote(stage.split(read(config, stage.SplitConfig), stacks=stacks, out=out))


@app.command()
def folds(config: Config, stacks: Stacks, split: Split,
          out: Annotated[Path, typer.Option(help="Folder for fold-1.json and so on.")]) -> None:
    """Part the train and validation materials of a split anew, K times, so that each is in validation once."""
    from classifier.samples import folds as stage

    wrote(stage.folds(read(config, stage.FoldsConfig), stacks=stacks, split=split, out=out))
