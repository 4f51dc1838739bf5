"""A `model.soup` of a thousand layers with 32,768 channels each, and no weights."""

from forge import convolution, model, noise_png, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "has more than 274877906944 values"
MOST_MIB = 64


def make(folder):
    save(folder / "images/1.png", noise_png())
    layers = [convolution(f"layer{number}", 1 << 15, number, kernel=255, padding=127) for number in range(1000)]
    save(folder / "a.soup", model(layers))
