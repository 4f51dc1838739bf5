"""A benchmark of images of 60,000 by 60,000 pixels, that can be counted and not held."""

COMMAND = "bench resnet18 --size 60000 --threads 2"
SAYS = "of memory, and"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
