"""What few calibration rows are worth on trained models: the gain of held-out outputs over conversion without data.

usage: few_rows.py {minilm,whisper} [--rows 400 100 50 25 10 5 2] [--draws 3] [--windows 5] [--options=--convrot]..

Prints for every number of rows the gain in dB, the median of the layers and the worst layer of all draws, and how many layers of how
many lost more than 0.1 dB. minilm is all-MiniLM-L6-v2 on sentences of Python's docstrings; whisper is Whisper tiny.en on the same
sentences, spoken by eSpeak NG, each half `--windows` times 30 seconds. One half of the sentences is for calibration, the other is held out.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

import bert_inputs
from bert_inputs import np, sampled, support

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import ctranslate2_model  # noqa: E402

AXIS = ("--comfy_quant", "--scaling_mode", "axis")
ROWS = (400, 100, 50, 25, 10, 5, 2)


class Sums:
    """Inputs of a layer [n, N] as sums in FP64, which is all that the error of its outputs needs."""

    def __init__(self, x):
        x = x.astype(np.float64)
        self.count, self.sum, self.gram = len(x), x.sum(0), x.T @ x

    def output_error(self, change, shift, weight):
        """20 log10(|Y' - Y| / |Y|) of Y = X W^T and Y' - Y = X change^T + shift, in dB."""
        error = np.sum(change @ self.gram * change) + np.sum(shift * (2 * (change @ self.sum) + self.count * shift))
        return 10 * np.log10(error / np.sum(weight @ self.gram * weight))


class Model:
    """A trained model and inputs of its linear layers: `known` to calibrate with, [n, N] by layer, and others held out."""

    def __init__(self, path, layers, known, aliases, held_out):
        self.path, self.layers, self.known, self.aliases = path, layers, known, aliases
        self.original = support.File(path)
        self.sums = {layer: Sums(x) for layer, x in held_out.items()}

    def owner(self, layer):
        return self.aliases.get(layer, layer)

    def calibration(self, path, rows):
        """Writes a calibration file with these rows, {layer: [n, N]}; returns its path."""
        support.save(path, {layer + ".input": support.narrow(x, "F32") for layer, x in rows.items()},
                     {"aliases": json.dumps(self.aliases), "source": "captured"})
        return path

    def drawn(self, count, seed):
        return {layer: sampled(x, count, seed) for layer, x in self.known.items()}

    def outputs(self, path, sums=None):
        """{layer: output error in dB} of a quantized file on the inputs that were held out, or on those of `sums`."""
        file, found = support.File(path), {}
        if plain := [layer for layer in self.layers if layer + ".weight_scale" not in file]:
            raise AssertionError(f"not quantized: {plain}")
        for layer in self.layers:
            weight = self.original.floats(layer + ".weight").astype(np.float64)
            stored = support.dequantize(file, layer, support.rotation_of(file, layer))
            if layer + ".smooth_factors" in file:
                stored = stored / file.floats(layer + ".smooth_factors").astype(np.float64)
            bias = layer + ".bias"
            shift = (file.floats(bias).astype(np.float64) - self.original.floats(bias)) if bias in file else np.zeros(len(weight))
            found[layer] = (sums or self.sums)[self.owner(layer)].output_error(stored - weight, shift, weight)
        return found

    def converted(self, target, *options):
        """{layer: output error in dB} of the model converted with these options."""
        support.convert(self.path, target, "--force", *options)
        return self.outputs(target)


def minilm():
    path, texts = support.find_model(), bert_inputs.sentences(800)
    known, aliases = bert_inputs.capture(path, texts[::2])
    held_out, _ = bert_inputs.capture(path, texts[1::2])
    return Model(path, support.linear_layers(support.File(path)), known, aliases, held_out)


def whisper(folder, windows=5):
    """Also says how many of the words behind the right ones the model chose right, which it only does where all is as it was trained."""
    import whisper_inputs
    stored, path = ctranslate2_model.find_whisper(), pathlib.Path(folder) / "whisper.safetensors"
    support.save(path, ctranslate2_model.whisper(stored))
    file, texts = support.File(path), bert_inputs.sentences(24 * windows + 40)
    known, aliases, right = whisper_inputs.capture(file, stored.parent, texts[::2], windows)
    held_out, _, _ = whisper_inputs.capture(file, stored.parent, texts[1::2], windows)
    model = Model(path, ctranslate2_model.linear_layers(file), known, aliases, held_out)
    model.right_words = right
    return model


def table(model, folder, options, rows, draws):
    """Prints the table; returns {rows: [(gain, layer) of every draw]}."""
    target, all_gains = folder / "out.safetensors", {}
    free = model.converted(target, *options)
    print(f"{model.path.name}: {len(model.layers)} layers, {' '.join(options)}; without data {statistics.median(free.values()):.2f} dB")
    for count in rows:
        gains = all_gains[count] = []
        for seed in range(1, draws + 1):
            data = model.calibration(folder / "rows.safetensors", model.drawn(count, seed))
            found = model.converted(target, *options, "--calibration-data", data)
            gains += [(free[layer] - output, layer) for layer, output in found.items()]
        worst, losses = min(gains), sum(gain < -0.1 for gain, _ in gains)
        print(f"  {count:5} {statistics.median(g for g, _ in gains):+.2f} {worst[0]:+.2f} ({worst[1]}), {losses} of {len(gains)} below -0.1",
              flush=True)
    return all_gains


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("minilm", "whisper"))
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--options", action="append", help="for the converter, beside axis scales; a table for each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model = minilm() if given.model == "minilm" else whisper(folder, given.windows)
        for options in given.options or [""]:
            table(model, folder, (*AXIS, *options.split()), given.rows, given.draws)


if __name__ == "__main__":
    main()
