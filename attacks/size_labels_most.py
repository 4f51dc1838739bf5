"""A network with 2^62 labels."""

COMMAND = "bench resnet18 --size 64 --labels 4611686018427387904 --threads 2"
SAYS = "it must be 1 to 65536"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
