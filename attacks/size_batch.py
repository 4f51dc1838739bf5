"""A batch of pictures that no machine holds."""

COMMAND = "bench resnet18 --size 1024 --batch 4096 --threads 2"
SAYS = "a batch of 4096 pictures needs"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
