"""A `model.soup` of 16,384 layers whose names must all be different."""

from forge import model, noise_png, save

COMMAND = "predict a.soup --images images --out out.csv"
SAYS = "one logit"
MOST_MIB = 128
SECONDS = 10


def make(folder):
    save(folder / "images/1.png", noise_png())
    layers = [
        {"op": "batch_norm", "name": f"layer{number}", "epsilon": 1e-5, "momentum": 0.1, "from": [number]} for number in range(1 << 14)
    ]
    save(folder / "a.soup", model(layers))
