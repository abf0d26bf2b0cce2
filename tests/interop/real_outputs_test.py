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
        cls.rows = f"{folder.name}/rows.safetensors"
        capture_inputs.capture_files(cls.calibration, held_out, with_rows=cls.rows)
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

    def gains_with_rows(self, *options):
        """(median gain over the data-free default, worst) of what `auto` does with rows of other sentences."""
        free, known = self.figures(*options), self.figures(*options, "--calibration-data", self.rows)
        print(f"{' '.join(options)}, rows known: {evaluate.summary(known, free)}")
        gains = [free[layer].output - f.output for layer, f in known.items()]
        return statistics.median(gains), min(gains)

    def test_rows_of_codes_with_inputs_of_other_sentences(self):
        for options in (AXIS, (*AXIS, "--convrot")):
            median, worst = self.gains_with_rows(*options)
            self.assertGreaterEqual(median, 3.8, options)
            self.assertGreaterEqual(worst, 2.0, options)

    def test_tensors_and_blocks_with_inputs_of_other_sentences(self):
        for options in (("--comfy_quant", "--scaling_mode", "tensor"), ("--comfy_quant", "--scaling_mode", "block")):
            median, worst = self.gains_with_rows(*options)
            self.assertGreaterEqual(median, 3.0, options)
            self.assertGreaterEqual(worst, 0.0, options)

    def test_act_order_is_better_than_the_order_of_the_columns(self):
        gptq = (*AXIS, "--calibration-data", self.rows, "--optimizer", "gptq")
        free, ordered, stored = self.figures(*AXIS), self.figures(*gptq), self.figures(*gptq, "--no-gptq-actorder")

        def median(figures):
            return statistics.median(free[layer].output - f.output for layer, f in figures.items())
        self.assertGreater(median(ordered), median(stored))
        self.assertGreater(median(stored), 2.5)

    def test_rows_give_the_same_file_for_every_number_of_threads(self):
        made = []
        for threads in ("1", "2", "5"):
            target = self.folder / f"{threads}.safetensors"
            support.convert(MODEL, target, *AXIS, "--convrot", "--calibration-data", self.rows, "--threads", threads)
            made.append(target.read_bytes())
        self.assertTrue(made[0] == made[1] == made[2])

    def test_a_bias_without_statistics_keeps_its_bytes(self):
        target = self.folder / "out.safetensors"
        support.convert(MODEL, target, *AXIS, "--optimizer", "auto")
        file = support.File(target)
        for layer in support.linear_layers(self.original):
            self.assertEqual(file.tensors[layer + ".bias"], self.original.tensors[layer + ".bias"], layer)


if __name__ == "__main__":
    support.main()
