"""A file of weights with a hole of a terabyte, which takes no room on the disk."""

import os

from forge import noise_png, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "needs 4.4 TB of memory"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    save(folder / "a.soup", b"\2" + bytes(7) + b"{}")
    os.truncate(folder / "a.soup", 1 << 40)
