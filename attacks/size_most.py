"""A benchmark of images of 2^63 by 2^63 pixels."""

COMMAND = "bench resnet18 --size 9223372036854775807 --threads 2"
SAYS = "it must be 1 to 65536"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
