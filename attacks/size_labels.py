"""A network with a hundred million labels."""

COMMAND = "bench resnet18 --size 64 --labels 100000000 --threads 2"
SAYS = "it must be 1 to 65536"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
