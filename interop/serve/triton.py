"""Triton's own client asks `soup serve`, and hears what `soup predict` says.

python triton.py SOUP MODEL IMAGES: the program, a model.soup, a folder of images of its size.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tritonclient.http as triton
from PIL import Image

from server import serving


def main(program, model, folder):
    name = pathlib.Path(model).stem
    files = sorted(pathlib.Path(folder).glob("*.png"))[:64]
    with tempfile.TemporaryDirectory() as place:
        some = pathlib.Path(place) / "pictures"
        some.mkdir()
        for file in files:
            (some / file.name).symlink_to(file.resolve())
        table = pathlib.Path(place) / "probs.csv"
        subprocess.run([program, "predict", model, "--images", some, "--out", table, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(table) as lines:
            rows = list(csv.reader(lines))[1:]
    expected = np.array([[np.float32(cell) for cell in row[1:]] for row in rows])

    with serving(program, [model]) as server:
        client = triton.InferenceServerClient(server.address)
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
        assert client.is_model_ready(name, "1") and not client.is_model_ready(name + "x")
        assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
        facts = client.get_model_metadata(name)
        assert [entry["name"] for entry in client.get_model_repository_index()] == [name]
        client.load_model(name)
        _, height, width, channels = facts["inputs"][0]["shape"]
        labels = facts["parameters"]["labels"]
        images = np.stack([np.asarray(Image.open(file)).reshape(height, width, channels) for file in files])
        outputs = [output["name"] for output in facts["outputs"]]

        for binary in (True, False):
            for start in range(0, len(files), 16):
                part = images[start : start + 16]
                given = triton.InferInput("pictures", list(part.shape), "UINT8")
                given.set_data_from_numpy(part, binary_data=binary)
                wanted = [triton.InferRequestedOutput(output, binary_data=binary) for output in outputs]
                result = client.infer(name, [given], outputs=wanted, request_id=str(start))
                assert result.get_response()["id"] == str(start)
                found = result.as_numpy("probabilities")
                assert found.dtype == np.float32 and found.shape == (len(part), len(labels))
                assert np.array_equal(found, expected[start : start + 16]), "not the bits of soup predict"
                if "maps" in outputs:
                    maps = result.as_numpy("maps")
                    assert maps.shape == (len(part), *facts["outputs"][1]["shape"][1:])
                    assert 0 <= maps.min() and maps.max() <= 1
        # Requests side by side, with no outputs named.
        given = triton.InferInput("pictures", [1, height, width, channels], "UINT8")
        asked = []
        client = triton.InferenceServerClient(server.address, concurrency=16)
        for image in images:
            given = triton.InferInput("pictures", [1, height, width, channels], "UINT8")
            given.set_data_from_numpy(image[None])
            asked.append(client.async_infer(name, [given]))
        found = np.concatenate([request.get_result().as_numpy("probabilities") for request in asked])
        assert np.array_equal(found, expected)
        try:
            given.set_shape([1, width + 1, height, channels])
            client.infer(name, [given])
            raise SystemExit("error: a wrong shape was taken")
        except triton.InferenceServerException as refused:
            assert "the input must be `pictures`, UINT8" in str(refused), refused
        client.close()
    print(f"triton: {len(files)} images, as bytes, as JSON and side by side, to the bit of soup predict")


if __name__ == "__main__":
    main(*sys.argv[1:])
