"""A progressive JPEG, whose coefficients are kept, of three hundred bytes whose header claims 121 million pixels."""

from forge import jpeg, save

COMMAND = "pack --images images --out pack"
SAYS = "too little data for its size"
MOST_MIB = 64


def make(folder):
    save(folder / "images/a.jpg", jpeg(11000, 11000, marker=0xC2))
