"""The other side of compare.py: LitServe and ONNX Runtime, in the way their manuals show.

litserve_peer.py MODEL.onnx PORT BATCH THREADS
"""

import io
import sys

import litserve
import numpy as np
import onnxruntime
from fastapi import Request
from PIL import Image


class Labels(litserve.LitAPI):
    def __init__(self, model, threads, **options):
        super().__init__(**options)
        self.model, self.threads = model, threads

    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        self.session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def decode_request(self, request: Request):
        image = np.asarray(Image.open(io.BytesIO(request["image"].file.read())))
        return image[..., None] if image.ndim == 2 else image

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, images):
        batch = images if images.ndim == 4 else images[None]
        return self.session.run(["probabilities"], {"pictures": batch})[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"probabilities": np.asarray(output).reshape(-1).tolist()}


if __name__ == "__main__":
    model, port, batch, threads = sys.argv[1], *map(int, sys.argv[2:])
    api = Labels(model, threads, max_batch_size=batch, batch_timeout=0.002)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60)
    server.run(host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False, log_level="error")
