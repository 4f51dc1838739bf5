"""A pipe into which nobody writes, in the place of a model."""

import os

from forge import noise_png, save

COMMAND = "predict pipe.soup --images images --out out.csv"
SAYS = "not a regular file"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    os.mkfifo(folder / "pipe.soup")
