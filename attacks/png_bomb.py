"""A PNG of half a megabyte that unpacks, as its header says, to 400 million good pixels."""

from forge import png, save, zeros

COMMAND = "pack --images images --out pack"
SAYS = "the header claims 20000 x 20000 pixels"
MOST_MIB = 128


def make(folder):
    save(folder / "images/a.png", png(20000, 20000, zeros(20000 * 20001)))
