"""Predictions without an end."""

from forge import save

COMMAND = "ensemble /dev/zero /dev/zero --out b.csv"
SAYS = "it has more than 1024 MiB"
MOST_MIB = 1200


def make(folder):
    save(folder / "labels.csv", "id,A,B\n1,0,1\n")
