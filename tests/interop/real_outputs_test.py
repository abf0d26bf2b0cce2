"""What the layers of a trained model compute on real sentences, half of them for calibration and half held out, against --simple."""
import statistics
import tempfile

import capture_inputs
import evaluate
import support
from support import np

MODEL = support.find_model()
AXIS = ("--comfy_quant", "--scaling_mode", "axis")


class RealOutputs(support.Test):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.calibration, held_out = f"{folder.name}/calibration.safetensors", f"{folder.name}/held_out.safetensors"
        capture_inputs.capture_files(cls.calibration, held_out)
        cls.inputs, cls.original = evaluate.held_out_inputs(held_out), support.File(MODEL)

    def figures(self, *options):
        target = self.folder / "out.safetensors"
        support.convert(MODEL, target, "--force", *options)
        figures = evaluate.evaluate(self.original, target, self.inputs)
        self.assertEqual(sorted(figures), support.linear_layers(self.original))
        return figures

    def compared(self, options, base):
        """(median gain of output, worst, median gain of SQNR) in dB."""
        figures, base = self.figures(*options), self.figures("--simple", *base)
        print(f"{' '.join(options)}: {evaluate.summary(figures, base)}")
        gains = [base[layer].output - f.output for layer, f in figures.items()]
        return statistics.median(gains), min(gains), statistics.median(f.sqnr - base[layer].sqnr for layer, f in figures.items())

    def test_the_measure_is_right_where_it_can_be_computed_otherwise(self):
        layer = support.linear_layers(self.original)[0]
        x = self.inputs[layer].astype(np.float64)
        target = self.folder / "out.safetensors"
        support.convert(MODEL, target, "--simple", *AXIS)
        file, weight = support.File(target), self.original.floats(layer + ".weight").astype(np.float64)
        error = support.dequantize(file, layer) - weight
        second_moment = x.T @ x
        expected = 10 * np.log10(np.sum(error @ second_moment * error) / np.sum(weight @ second_moment * weight))
        self.assertAlmostEqual(evaluate.evaluate(self.original, target, {layer: x})[layer].output, expected, places=6)

    def test_rows_without_data(self):
        median, worst, sqnr = self.compared((*AXIS, "--optimizer", "auto"), AXIS)
        self.assertGreaterEqual(median, 0.12)
        self.assertGreaterEqual(worst, -0.15)
        self.assertGreaterEqual(sqnr, 0.15)

    def test_rotated_rows_without_data(self):
        median, worst, _ = self.compared((*AXIS, "--convrot", "--optimizer", "auto"), (*AXIS, "--convrot"))
        self.assertGreaterEqual(median, 0.12)
        self.assertGreaterEqual(worst, -0.15)

    def test_rows_with_statistics_of_other_sentences(self):
        median, worst, _ = self.compared((*AXIS, "--calibration-data", self.calibration), AXIS)
        self.assertGreaterEqual(median, 0.8)
        self.assertGreaterEqual(worst, 0.0)

    def test_a_bias_without_statistics_keeps_its_bytes(self):
        target = self.folder / "out.safetensors"
        support.convert(MODEL, target, *AXIS, "--optimizer", "auto")
        file = support.File(target)
        for layer in support.linear_layers(self.original):
            self.assertEqual(file.tensors[layer + ".bias"], self.original.tensors[layer + ".bias"], layer)


if __name__ == "__main__":
    support.main()
