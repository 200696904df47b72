"""The verb that looks at the machine."""

import typer

from cbedgan.cli.app import app, wrote_json
from cbedgan.cli.arguments import Json


@app.command()
def doctor(json: Json = None) -> None:
    """Say what this machine offers: devices, bf16, memory, disk, extras (code 1: something will get in the way)."""
    from cbedgan import doctor as stage

    found = stage.machine()
    print(stage.report(found))
    wrote_json(json, found)
    if found["complaints"]:
        raise typer.Exit(1)
