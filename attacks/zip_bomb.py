"""An entry of a megabyte that unpacks to a gigabyte, as the directory says."""

import zlib

from forge import central, end, local, save, zeros

COMMAND = "pack --images images.zip --out pack"
SAYS = "more than 256 MiB"
MOST_MIB = 128


def make(folder):
    size = 1 << 30
    stored, crc = zeros(size)[2:-4], 0
    for _ in range(size >> 20):
        crc = zlib.crc32(bytes(1 << 20), crc)
    first = local(b"a.png", stored, 8, size, crc)
    directory = central(b"a.png", len(stored), 8, size, crc, 0)
    save(folder / "images.zip", first + directory + end(1, len(directory), len(first)))
