"""A benchmark of images of a billion by a billion pixels."""

COMMAND = "bench resnet18 --size 1000000000 --threads 2"
SAYS = "it must be 1 to 65536"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
