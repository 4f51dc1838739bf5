"""The peers' side of inference: makes the work, or answers batches on demand.

    peer_infer.py make MODEL SIDE BATCH LABELS DIR
    peer_infer.py run MODEL SIDE BATCH LABELS DIR THREADS RUNTIME MODE

`make` writes weights of timm's model, a batch of images, the logits that PyTorch's eager float32 gives for them, and
the network as ONNX into DIR. `run` gives the batch to RUNTIME (torch, ort, openvino), prints the logits and then answers
turns, which peer.py says. The other side is crates/soup-train/examples/peer_infer.rs. RepVGG's branches are merged for
every runtime. A call goes from the images in an array to the logits in an array.
"""

import json
import pathlib
import sys
import warnings

import numpy as np

import peer


def settle(net, images):
    """Gives every batch norm parameters and statistics as training leaves them: fresh ones change nothing, and a network
    that folds them wrongly would pass."""
    import torch

    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0.0, 0.2)
            norm.momentum = 1.0
        net.train()(images)
    return net.eval()


def merged(net):
    """RepVGG's branches as one convolution each; other networks as they are."""
    from timm.utils import reparameterize_model

    return reparameterize_model(net).eval()


def make(model, side, batch, labels, folder):
    import safetensors.torch
    import torch

    torch.manual_seed(1)
    random = np.random.default_rng(1)
    # The statistics are the same whatever the batch that is answered.
    values = random.standard_normal((max(batch, 8), side, side, peer.CHANNELS), np.float32)
    net = settle(peer.create(model, labels), torch.from_numpy(values[:8].transpose(0, 3, 1, 2)))
    safetensors.torch.save_file(net.state_dict(), folder / "weights.safetensors")
    values[:batch].tofile(folder / "images.f32")
    images = torch.from_numpy(np.ascontiguousarray(peer.images(folder, batch, side)))
    with torch.inference_mode():
        net(images).numpy().tofile(folder / "logits.f32")
    names = {"input_names": ["pictures"], "output_names": ["logits"]}
    with warnings.catch_warnings():
        # The newer exporter wants another package for the same network.
        warnings.simplefilter("ignore")
        torch.onnx.export(merged(net), (images,), folder / "model.onnx", dynamo=False, **names)


def with_torch(model, side, batch, labels, folder, threads, mode):
    import torch
    import torch._inductor.config

    torch.set_num_threads(threads)
    # Weights are constants: inductor folds and packs them once.
    torch._inductor.config.freezing = True
    kind = torch.bfloat16 if "bf16" in mode else torch.float32
    net = merged(peer.load(model, labels, folder)).to(kind).to(memory_format=torch.channels_last)
    forward = torch.compile(net) if "compile" in mode else net
    images = torch.from_numpy(peer.images(folder, batch, side)).to(memory_format=torch.channels_last)

    def call():
        with torch.inference_mode():
            return forward(images.to(kind)).float().numpy()

    return call


def with_ort(_model, side, batch, _labels, folder, threads, mode):
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    network = onnx.load(folder / "model.onnx")
    if mode == "f16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        network = convert_float_to_float16(network, keep_io_types=True)
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.ascontiguousarray(peer.images(folder, batch, side))
    return lambda: session.run(None, {"pictures": images})[0]


def with_openvino(_model, side, batch, _labels, folder, threads, mode):
    import openvino

    streams = threads if "streams" in mode else 1
    core = openvino.Core()
    network = core.read_model(folder / "model.onnx")
    if streams > 1:
        if batch % streams:
            sys.exit(f"error: {batch} images cannot be split between {streams} streams")
        network.reshape([batch // streams, peer.CHANNELS, side, side])
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT" if batch > 1 else "LATENCY",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": mode.split("-")[0],
    }
    compiled = core.compile_model(network, "CPU", settings)
    requests = [compiled.create_infer_request() for _ in range(streams)]
    parts = np.split(np.ascontiguousarray(peer.images(folder, batch, side)), streams)

    def call():
        for request, part in zip(requests, parts):
            # Shared: the request reads the array where it is.
            request.start_async([part], share_inputs=True)
        for request in requests:
            request.wait()
        return np.concatenate([request.get_output_tensor().data for request in requests])

    return call


if __name__ == "__main__":
    verb, model, side, batch, labels, folder, *rest = sys.argv[1:]
    work = (model, int(side), int(batch), int(labels), pathlib.Path(folder))
    if verb == "make":
        make(*work)
    else:
        threads, runtime, mode = rest
        runtimes = {"torch": with_torch, "ort": with_ort, "openvino": with_openvino}
        call = runtimes[runtime](*work, int(threads), mode)
        print(json.dumps({"logits": call().flatten().tolist()}), flush=True)
        peer.answer_turns(call)
