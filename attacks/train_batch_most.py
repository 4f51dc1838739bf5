"""Training with batches of 2^63 images."""

COMMAND = "train --preset quick --out run data.compose_share=1 model.name=soup_nano train.batch=9223372036854775807 train.threads=2"
SAYS = "must be at most 1048576"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
