"""Many images at once that claim as much as an image may, each in a hundred bytes."""

import zlib

from forge import jpeg, png, save

COMMAND = "pack --images images --out pack"
SAYS = "too little data"
MOST_MIB = 128


def make(folder):
    for number in range(64):
        save(folder / f"images/{number}.png", png(11000, 11000, zlib.compress(b"\0"), color=3, depth=2))
        save(folder / f"images/{100 + number}.jpg", jpeg(11000, 11000))
