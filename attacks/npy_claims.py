"""An array of probabilities of a hundred bytes that claims 2^62 rows."""

from forge import npy, save

COMMAND = "ensemble a.npy a.npy --out b.csv"
SAYS = "a.npy"
MOST_MIB = 64


def make(folder):
    save(folder / "a.npy", npy("<f4", (1 << 62, 2)))
    save(folder / "a.ids.json", '{"ids": ["1"], "labels": ["A", "B"]}')
    save(folder / "labels.csv", "id,A,B\n1,0,1\n")
