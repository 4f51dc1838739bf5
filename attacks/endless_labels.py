"""A table of labels without an end."""

from forge import noise_png, save

COMMAND = "pack --images images --labels /dev/zero --out pack"
SAYS = "it has more than 1024 MiB"
MOST_MIB = 1200


def make(folder):
    save(folder / "images/1.png", noise_png())
