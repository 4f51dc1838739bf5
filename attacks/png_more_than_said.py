"""A small PNG whose data unpack to a gigabyte."""

from forge import png, save, zeros

COMMAND = "pack --images images --out pack"
SAYS = "too much for its size"
MOST_MIB = 64


def make(folder):
    save(folder / "images/a.png", png(32, 32, zeros(1 << 30)))
