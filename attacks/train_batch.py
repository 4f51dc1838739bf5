"""Training with batches of a million images."""

COMMAND = "train --preset quick --out run data.compose_share=1 model.name=soup_nano train.batch=1000000 train.threads=2"
SAYS = "a batch of 1000000 images needs"
EXIT = 1
MOST_MIB = 256


def make(folder):
    pass
