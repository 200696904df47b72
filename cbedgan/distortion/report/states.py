"""How a classifier's margin goes along a path, in the words of paths.json."""

DENIED, NEVER, CROSSED = STATES = ("denied", "never", "crossed")
