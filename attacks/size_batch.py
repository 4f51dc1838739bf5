"""A batch of images that no machine holds."""

COMMAND = "bench resnet18 --size 1024 --batch 4096 --threads 2"
SAYS = "a batch of 4096 images needs"
EXIT = 2
MOST_MIB = 256


def make(folder):
    pass
