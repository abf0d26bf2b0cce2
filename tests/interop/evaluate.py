"""Compares quantized files by what their layers compute on inputs that were held out of calibration.

usage: evaluate.py HELD_OUT ORIGINAL BASE [FILE..] [--activations] [--layers]

HELD_OUT is what capture_inputs.py writes. Prints for BASE and each FILE the median and the worst over the layers of
  output   20 log10(|Y' - Y| / |Y|) in dB, Y = X W^T (without the bias) and Y' - Y with both biases, from the stored bytes
  gain     how much lower that is than BASE's, in dB: above 0 is better
  SQNR     10 log10(|W|^2 / |W - W'|^2) in dB, and how much higher than BASE's
--activations: X W'^T with 8-bit activations too, quantized per token by their largest value and rotated first where the layer is.
--layers: one line for every layer.
"""
import argparse
import json
import statistics
import sys

import support
from support import np


class Figures:
    """Of one layer in one file, in dB."""

    def __init__(self, output, output_8bit, sqnr):
        self.output, self.output_8bit, self.sqnr = output, output_8bit, sqnr


def decibel(error, signal):
    return 20 * np.log10(np.linalg.norm(error) / np.linalg.norm(signal)) if np.any(error) else -np.inf


def eight_bit(x, rotation):
    """The inputs as an INT8 product sees them: per token, and in the basis of the stored weight; undone afterwards."""
    y = support.unrotate(x, rotation) if rotation else x
    step = np.maximum(np.abs(y).max(1, keepdims=True) / 127, 1e-30)
    y = np.clip(np.rint(y / step), -127, 127) * step
    return support.unrotate(y, rotation) if rotation else y


def held_out_inputs(path):
    """{layer: inputs [n, N]}, with aliases as entries of their own."""
    file = support.File(path)
    inputs = {name[: -len(".input")]: file.floats(name) for name in file.tensors if name.endswith(".input")}
    for layer, owner in json.loads(file.metadata.get("aliases", "{}")).items():
        inputs[layer] = inputs[owner]
    return inputs


def bias_of(file, layer):
    name = layer + ".bias"
    return file.floats(name).astype(np.float64) if name in file else 0.0


def evaluate(original, path, inputs, activations=False):
    """{layer: Figures} of the layers that the file stores as codes and whose inputs are known."""
    file, found = support.File(path), {}
    for layer, x in sorted(inputs.items()):
        if file.tensors[layer + ".weight"][0] != "I8":
            continue
        x = x.astype(np.float64)
        weight = original.floats(layer + ".weight").astype(np.float64)
        rotation = support.rotation_of(file, layer)
        stored = support.dequantize(file, layer, rotation)
        signal = x @ weight.T
        shift = bias_of(file, layer) - bias_of(original, layer)
        narrow = decibel(eight_bit(x, rotation) @ stored.T + shift - signal, signal) if activations else None
        found[layer] = Figures(decibel(x @ (stored - weight).T + shift, signal), narrow, support.sqnr(weight, stored))
    return found


def summary(figures, base):
    """One line: medians, and the worst layers, against `base`."""
    gains = {layer: base[layer].output - f.output for layer, f in figures.items()}
    worst = min(gains, key=gains.get)
    text = (f"output {statistics.median(f.output for f in figures.values()):7.2f} dB, gain median {statistics.median(gains.values()):+.3f} "
            f"worst {gains[worst]:+.3f} ({worst}); SQNR {statistics.median(f.sqnr for f in figures.values()):.2f} dB, gain median "
            f"{statistics.median(f.sqnr - base[layer].sqnr for layer, f in figures.items()):+.3f}")
    if all(f.output_8bit is not None for f in figures.values()):
        text += f"; with 8-bit activations {statistics.median(f.output_8bit for f in figures.values()):.2f} dB"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("held_out")
    parser.add_argument("original")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--activations", action="store_true")
    parser.add_argument("--layers", action="store_true")
    given = parser.parse_args()
    inputs, original = held_out_inputs(given.held_out), support.File(given.original)
    base = None
    for path in given.files:
        figures = evaluate(original, path, inputs, given.activations)
        base = base or figures
        if not figures:
            sys.exit(f"{path}: no layer with known inputs is stored as codes")
        if given.layers:
            for layer, f in figures.items():
                print(f"  {layer:45} output {f.output:7.2f} gain {base[layer].output - f.output:+.3f} SQNR {f.sqnr:.2f}"
                      + (f" 8-bit {f.output_8bit:7.2f}" if given.activations else ""))
        print(f"{path}: {summary(figures, base)}")


if __name__ == "__main__":
    main()
