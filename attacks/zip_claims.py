"""An entry of ten bytes that claims to unpack to 128 MiB."""

from forge import central, end, local, save

COMMAND = "pack --images images.zip --out pack"
SAYS = "more than deflate can pack"
MOST_MIB = 64


def make(folder):
    first = local(b"a.png", bytes(10), 8, 1 << 27, 0)
    directory = central(b"a.png", 10, 8, 1 << 27, 0, 0)
    save(folder / "images.zip", first + directory + end(1, len(directory), len(first)))
