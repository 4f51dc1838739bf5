"""A model without an end."""

from forge import noise_png, save

COMMAND = "predict /dev/zero --images images --out out.csv"
SAYS = "not a regular file"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
