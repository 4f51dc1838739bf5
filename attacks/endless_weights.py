"""A model without an end."""

from forge import noise_png, save

COMMAND = "predict /dev/zero --images pictures --out out.csv"
SAYS = "not a regular file"
MOST_MIB = 64


def make(folder):
    save(folder / "pictures/1.png", noise_png())
