"""Reference files for writer_bytes_test.cpp.

writer_bytes.py write FOLDER      writes files with the Python library, one a line on standard output
writer_bytes.py accept FILE       tells whether the library takes each header of FILE (u32 length, u64 data bytes, text); prints
                                  the numbers of those that it refuses
"""

import struct
import sys

try:
    import numpy
    import safetensors
    from safetensors.numpy import save_file
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(77)


def plain():
    """Every type that numpy has, with scalars, empty tensors and odd names."""
    types = "bool u1 i1 i2 u2 f2 i4 u4 f4 c8 f8 i8 u8".split()
    tensors = {}
    for i, t in enumerate(types):
        values = numpy.arange(6).reshape(2, 3).astype(t)
        tensors[f"layer.{i}.{t}"] = values
        tensors[f"scalar.{t}"] = numpy.array(values[1, i % 3])
        tensors[f"empty.{t}"] = values[:0]
        tensors[f"hollow.{t}"] = numpy.zeros((2, 0, 3), t)
    tensors["é\u2028😀/\\\"'\x7e"] = numpy.ones(3, numpy.float32)
    tensors[""] = numpy.ones(1, numpy.int8)
    return tensors


def specs():
    """Every type that the library can write at all, in the form that its version wants."""
    names = """bool float4_e2m1fn_x2 uint8 int8 float8_e5m2 float8_e4m3fn float8_e8m0fnu float8_e4m3fnuz float8_e5m2fnuz int16
               uint16 float16 bfloat16 int32 uint32 float32 complex64 float64 int64 uint64""".split()
    sizes = {"int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "complex64": 8,
             "float64": 8, "int64": 8, "uint64": 8}
    kept, out = [], {}
    for i, name in enumerate(names):
        data = numpy.arange(8 * sizes.get(name, 1), dtype=numpy.uint8) * 7 + i
        if name == "bool":
            data %= 2
        kept.append(data)
        try:
            if hasattr(safetensors, "TensorSpec"):
                out["t." + name] = safetensors.TensorSpec(
                    dtype=name, shape=[2, 4], data_ptr=data.ctypes.data, data_len=data.nbytes)
            else:
                safetensors.serialize({"t": {"dtype": name, "shape": [2, 4], "data": data.tobytes()}})
                out["t." + name] = {"dtype": name, "shape": [2, 4], "data": data.tobytes()}
        except Exception:  # a type that this version does not know
            pass
    return kept, out


def write(folder):
    cases = {
        "plain": (plain(), None),
        "metadata": (plain(), {"k\n\x01\"é": "v\\/\x1f\t\x7f"}),
        "one": ({"a": numpy.ones(1, numpy.float32)}, {"format": "pt"}),
        "none": ({}, None),
        "aligned": ({"a" * n: numpy.ones(n, numpy.uint8) for n in range(1, 9)}, None),
    }
    for name, (tensors, metadata) in cases.items():
        save_file(tensors, f"{folder}/{name}", metadata)
        print(name)
    kept, tensors = specs()
    with open(f"{folder}/specs", "wb") as file:
        file.write(safetensors.serialize(tensors, {"k": "v"}))
    print("specs")
    del kept


def accept(path):
    with open(path, "rb") as file:
        content = file.read()
    at = number = 0
    while at < len(content):
        length, data_bytes = struct.unpack_from("<IQ", content, at)
        text = content[at + 12:at + 12 + length]
        at += 12 + length
        try:
            safetensors.deserialize(len(text).to_bytes(8, "little") + text + bytes(data_bytes))
        except Exception as refused:
            print(number, refused)
        number += 1
    print(f"checked {number}")


{"write": write, "accept": accept}[sys.argv[1]](sys.argv[2])
