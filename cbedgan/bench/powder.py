"""bench powder: how many crystals a second become powder patterns and pair distribution functions, by one thread."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.prototypes import prototypes
from cbedgan.crystal.structure_files import crystals_from_files
from cbedgan.simulate.pdf.pdf_config import PdfConfig
from cbedgan.simulate.pdf.render_pdf import render_pdf
from cbedgan.simulate.xrd.render_xrd import render_xrd
from cbedgan.simulate.xrd.xrd_config import XrdConfig
from classifier.foundation.config import parse_config

Render = Callable[[list[Crystal]], torch.Tensor]


def renderers() -> dict[str, Render]:
    """What is timed, by name."""
    nanox81, modern = (parse_config({"preset": name}, XrdConfig, source=name) for name in ("nanox81", "modern"))
    liu, elements = PdfConfig(), PdfConfig(vibration="by_element", delta_2_angstrom2=1.0)
    return {"xrd, nanox81": lambda crystals: render_xrd(crystals, nanox81),
            "xrd, modern": lambda crystals: render_xrd(crystals, modern),
            "pdf, as Liu": lambda crystals: render_pdf(crystals, liu),
            "pdf, by element": lambda crystals: render_pdf(crystals, elements)}


def bench_powder(crystals: Path | None, *, most_atoms: int) -> dict[str, Any]:
    """Processor seconds a crystal of every renderer, on one thread, once its matrix is made.

    Parameters
    ----------
    crystals : structure file or folder; None: the AFLOW prototypes
    most_atoms : of a primitive cell; larger crystals are left out
    """
    every = prototypes() if crystals is None else crystals_from_files(crystals)
    some = [crystal for crystal in every if crystal.n_primitive <= most_atoms]
    threads, seconds = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    try:
        for name, render in renderers().items():
            render(some[:1])
            began = time.process_time()
            render(some)
            seconds[name] = (time.process_time() - began) / len(some)
    finally:
        torch.set_num_threads(threads)
    return {"crystals": len(some), "atoms": sum(one.n_primitive for one in some) / len(some), "seconds": seconds}


def report(figures: dict[str, Any]) -> Table:
    """The figures as a table."""
    table = Table(title=f"{figures['crystals']} crystals of {figures['atoms']:.1f} atoms a primitive cell, one thread")
    for heading in ("rendered", "ms a crystal", "crystals a second"):
        table.add_column(heading, justify="left" if heading == "rendered" else "right")
    for name, seconds in figures["seconds"].items():
        table.add_row(name, f"{1e3 * seconds:.2f}", f"{1 / seconds:.0f}")
    return table
