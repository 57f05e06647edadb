"""Measures a dense convolution of another library: `python peers/python NAME`; `peers/README.md` has the dialogue."""

import importlib
import json
import os
import sys

# Threads that spin while they wait would count as work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("KMP_BLOCKTIME", "0")

PEERS = {
    "ncnn-vulkan": ("ncnn_peer", {"vulkan": True}),
    "ncnn-cpu": ("ncnn_peer", {"vulkan": False}),
    "onnxruntime-cpu": ("onnxruntime_peer", {}),
    "torch-cpu": ("torch_cpu_peer", {}),
    "cudnn-f32": ("cudnn_peer", {"precision": "f32"}),
    "cudnn-tf32": ("cudnn_peer", {"precision": "tf32"}),
    "cudnn-f16": ("cudnn_peer", {"precision": "f16"}),
}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in PEERS:
        print(f"usage: python peers/python NAME [--version]; NAME is one of {', '.join(PEERS)}", file=sys.stderr)
        return 2
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer):
        print(json.dumps(answer), file=answers, flush=True)

    module, options = PEERS[sys.argv[1]]
    try:
        peer = importlib.import_module(module).Peer(**options)
    except (ImportError, OSError, RuntimeError) as error:
        # OSError: a shared library of it is missing.
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    say({"version": peer.version, "device": peer.device, "kind": peer.kind})
    if "--version" in sys.argv:
        return 0

    from layer import Layer, Reference

    for line in sys.stdin:
        layer = Layer(**json.loads(line))
        try:
            data, weights = layer.data()
            answer = peer.measure(layer, data, weights, Reference(layer, data, weights))
        except Exception as error:  # whatever a library raises is this layer's result
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        say({"layer": layer.layer, **answer})
    return 0


sys.exit(main())
