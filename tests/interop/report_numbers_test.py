"""The report's figures against numpy's, from the bytes of the file that was written."""
import json

import support
from support import np

ROWS, COLUMNS = 256, 512
LAYERS = [f"blocks.{i}.proj" for i in range(5)]
FORMATS = {
    "block": ["--scaling_mode", "block"],
    "block of 64, stochastic": ["--scaling_mode", "block", "--block_size", "64", "--rounding", "stochastic", "--manual_seed", "5"],
    "axis": ["--scaling_mode", "axis"],
    "axis of the fork": ["--scaling_mode", "axis", "--comfy_target", "fork"],
    "axis, rotated": ["--scaling_mode", "axis", "--convrot"],
    "tensor": ["--scaling_mode", "tensor"],
    "fp16": ["--fp16"],
    "axis, least squares": ["--scaling_mode", "axis", "--scale_optimization", "mse"],
    "axis, coordinate": ["--scaling_mode", "axis", "--optimizer", "coordinate", "--sqnr-budget", "0.5"],
    "axis, rotated, coordinate": ["--scaling_mode", "axis", "--convrot", "--optimizer", "coordinate"],
}


def decibel(ratio):
    return 10 * np.log10(ratio)


def rotated(weight, group):
    """The weight as it is stored: the rotation is its own inverse."""
    return support.unrotate(weight.astype(np.float64), group) if group else weight.astype(np.float64)


class ReportNumbers(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        weights = [random.standard_normal((ROWS, COLUMNS)) * 0.02 * np.exp(0.5 * random.standard_normal((ROWS, 1))),
                   random.standard_t(4, (ROWS, COLUMNS)) * 0.01, random.standard_normal((ROWS, COLUMNS)) * 1e-3,
                   np.zeros((ROWS, COLUMNS)), random.standard_normal((ROWS, COLUMNS)) * 0.1]
        weights[2][5, 7], weights[4][200] = 0.5, 0
        self.weights = dict(zip(LAYERS, (w.astype(np.float32) for w in weights)))
        # Inputs as layers meet them: channels of different size, some with a mean.
        self.inputs = (random.standard_normal((700, COLUMNS)) * np.exp(random.standard_normal(COLUMNS)) + 0.5 * random.standard_normal(COLUMNS)
                       ).astype(np.float32)
        self.biases = {layer: random.standard_normal(ROWS).astype(np.float32) for layer in LAYERS[:2]}
        tensors = {layer + ".weight": support.narrow(w, "F32") for layer, w in self.weights.items()}
        tensors |= {layer + ".bias": support.narrow(b, "F32") for layer, b in self.biases.items()}
        self.source = self.folder / "model.safetensors"
        support.save(self.source, tensors)

    def report(self, *options):
        """The file and the report's layers; skips where a flag is not built."""
        target, figures = self.folder / "out.safetensors", self.folder / "report.json"
        try:
            support.convert(self.source, target, "--preset", "none", "--comfy_quant", "--force", *options, "--report-quality", figures)
        except AssertionError as error:
            if "is not built in this version" in str(error):
                self.skipTest(f"{options}: not built")
            raise
        layers = json.loads(figures.read_text())["layers"]
        self.assertEqual([layer["name"] for layer in layers], LAYERS)
        return support.File(target), {layer["name"]: layer for layer in layers}

    def stored(self, file, layer):
        """Weight, error and steps in the basis of the file."""
        group = support.rotation_of(file, layer)
        weight = rotated(self.weights[layer], group)
        error = weight - support.dequantize(file, layer)
        steps = None
        if layer + ".weight_scale" in file:
            steps = support.expand(file.raw(layer + ".weight_scale"), weight.shape).astype(np.float64)
        return weight, error, steps

    def assert_near(self, reported, measured, relative, absolute=0.0, message=None):
        self.assertIsNotNone(reported, message)
        self.assertLessEqual(abs(reported - measured), relative * abs(measured) + absolute, f"{message}: {reported} is not {measured}")

    def check(self, file, layer, figures):
        weight, error, steps = self.stored(file, layer)
        if not np.any(error):
            self.assertIsNone(figures["sqnr_db"])
        else:
            self.assert_near(figures["sqnr_db"], decibel(np.sum(weight**2) / np.sum(error**2)), 0, 1e-3, layer + " sqnr_db")
        self.assert_near(figures["mse"], np.mean(error**2), 2e-4, 0, layer + " mse")
        self.assert_near(figures["max_error"], np.max(np.abs(error)), 1e-3, 1e-9, layer + " max_error")
        if np.any(weight):
            self.assert_near(figures["gain_error"], np.sum(weight * error) / np.sum(weight**2), 1e-4, 1e-7, layer + " gain_error")
        if steps is None:
            self.assertEqual((figures["scale_min"], figures["scale_max"], figures["error_steps"]), (0, 0, None))
            return
        self.assertEqual(np.float32(figures["scale_min"]), np.float32(steps.min()))
        self.assertEqual(np.float32(figures["scale_max"]), np.float32(steps.max()))
        self.assert_near(figures["clipped"], np.sum(np.abs(weight) > 127.5 * steps), 0, 2, layer + " clipped")
        # Layers that are only rounded are counted on their first rows.
        rows, rest = divmod(sum(figures["error_steps"]), weight.shape[1])
        self.assertEqual(rest, 0)
        self.assertGreaterEqual(rows, min(16, weight.shape[0]))
        if figures["method"]:
            self.assertEqual(rows, weight.shape[0])
        expected = np.bincount(np.minimum((np.abs(error) / steps * 20).astype(int), 19)[:rows].ravel(), minlength=20)
        # A weight on the edge of a bin may fall on either side; nearest rounding puts ties at half a step.
        self.assertLessEqual(np.abs(expected - figures["error_steps"]).sum(), max(2, 0.002 * rows * weight.shape[1]), layer + " error_steps")

    def test_all_formats(self):
        for name, options in FORMATS.items():
            with self.subTest(name):
                file, layers = self.report(*options)
                for layer, figures in layers.items():
                    self.check(file, layer, figures)

    def test_weights_beyond_fp16(self):
        weight = self.weights[LAYERS[0]]
        weight[3, 4], weight[5, 6] = 70000, -1e6
        support.save(self.source, {layer + ".weight": support.narrow(w, "F32") for layer, w in self.weights.items()})
        file, layers = self.report("--fp16", "--fp16-overflow", "clamp")
        self.assertEqual(layers[LAYERS[0]]["clipped"], 2)
        for layer in LAYERS[:2]:
            self.check(file, layer, layers[layer])

    def test_errors_of_outputs_on_every_tenth_row_by_codes_of_the_others(self):
        inputs, others = self.folder / "inputs.safetensors", self.folder / "others.safetensors"
        support.save(inputs, {layer + ".input": support.narrow(self.inputs, "F32") for layer in LAYERS})
        held_out = np.arange(len(self.inputs)) % 10 == 9
        support.save(others, {layer + ".input": support.narrow(self.inputs[~held_out], "F32") for layer in LAYERS})
        self.held_out = self.inputs[held_out]
        for name in ("block", "axis", "axis, rotated", "tensor"):  # FP16 is written piece by piece, its outputs are not measured
            with self.subTest(name):
                file, layers = self.report(*FORMATS[name], "--calibration-data", inputs)
                for layer, figures in layers.items():
                    self.check(file, layer, figures)
                file, _ = self.report(*FORMATS[name], "--calibration-data", others)
                for layer, figures in layers.items():
                    self.check_outputs(file, layer, figures)

    def check_outputs(self, file, layer, figures):
        group = support.rotation_of(file, layer)
        weight = rotated(self.weights[layer], group)
        if not np.any(weight):
            return
        x = rotated(self.held_out, group)
        shift = 0.0
        if layer in self.biases:
            shift = file.floats(layer + ".bias").astype(np.float64) - self.biases[layer]
            self.assertEqual(figures["bias"], "corrected" if np.any(shift) else "kept")
        else:
            self.assertEqual(figures["bias"], "none")
        exact = x @ weight.T
        found = support.dequantize(file, layer)
        step = np.abs(x).max(1, keepdims=True) / 127
        in_8bit = np.clip(np.rint(x / np.where(step > 0, step, 1)), -127, 127) * step
        for key, rows in (("output_error_db", x), ("output_error_8bit_db", in_8bit)):
            error = rows @ found.T + shift - exact
            self.assert_near(figures[key], decibel(np.sum(error**2) / np.sum(exact**2)), 0, 0.01, f"{layer} {key}")


if __name__ == "__main__":
    support.main()
