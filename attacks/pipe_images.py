"""A pipe into which nobody writes, in the place of images."""

import os

COMMAND = "pack --images pipe --out pack"
SAYS = "neither a folder nor a zip archive"
MOST_MIB = 64


def make(folder):
    os.mkfifo(folder / "pipe")
