"""Fifty thousand entries of an archive that all lie over one another (Fifield, "A better zip bomb", 2019)."""

import zlib

from forge import central, end, local, noise_png, save

COMMAND = "pack --images pictures.zip --out pack"
SAYS = "entries lie over one another"
MOST_MIB = 128


def make(folder):
    picture = noise_png(64)
    crc = zlib.crc32(picture)
    first = local(b"00000.png", picture, 0, len(picture), crc)
    entries = (central(b"%05d.png" % number, len(picture), 0, len(picture), crc, 0) for number in range(50000))
    directory = b"".join(entries)
    save(folder / "pictures.zip", first + directory + end(50000, len(directory), len(first)))
