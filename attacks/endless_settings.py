"""Settings without an end."""

COMMAND = "train --preset /dev/zero --out run"
SAYS = "/dev/zero"
MOST_MIB = 64
EXIT = 2


def make(folder):
    pass
