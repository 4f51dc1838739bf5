"""A table of predictions, packed with gzip, that unpacks to four gigabytes."""

import gzip

from forge import save

COMMAND = "ensemble a.csv.gz a.csv.gz --out b.csv"
SAYS = "it has more than 1024 MiB"
MOST_MIB = 1200


def make(folder):
    # Members of a gzip file follow one another.
    member = gzip.compress(b"1,0.5,0.5\n" * (1 << 20), 9)
    head = gzip.compress(b"id,A,B\n")
    save(folder / "a.csv.gz", head + member * 400)
    save(folder / "labels.csv", "id,A,B\n1,0,1\n")
