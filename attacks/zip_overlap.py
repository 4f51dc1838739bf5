"""Fifty thousand entries of an archive that all lie over one another (Fifield, "A better zip bomb", 2019)."""

import zlib

from forge import central, end, local, noise_png, save

COMMAND = "pack --images images.zip --out pack"
SAYS = "entries lie over one another"
MOST_MIB = 128


def make(folder):
    image = noise_png(64)
    crc = zlib.crc32(image)
    first = local(b"00000.png", image, 0, len(image), crc)
    entries = (central(b"%05d.png" % number, len(image), 0, len(image), crc, 0) for number in range(50000))
    directory = b"".join(entries)
    save(folder / "images.zip", first + directory + end(50000, len(directory), len(first)))
