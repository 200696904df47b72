"""`python -m cbedgan` is the command `cbedgan`."""

from cbedgan.cli import main

main()
