"""Calibration data that says nothing: zeros, no rows, a count of zero. It counts as unknown, with a warning that names it."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import support  # noqa: E402
from support import np  # noqa: E402

SIDE = 512
FIRST, SECOND = "blocks.0.ffn.0", "blocks.1.ffn.0"
FP8 = ("--fp8", "--comfy_quant", "--scaling_mode", "tensor", "--input_scale")
AXIS = ("--comfy_quant", "--scaling_mode", "axis")


def whole(value):
    return "I64", (), int(value).to_bytes(8, "little", signed=True)


class StatisticsOfNothing(support.Test):
    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(11)
        self.model, self.data = self.folder / "model.safetensors", self.folder / "data.safetensors"
        self.tensors = {}
        for layer in (FIRST, SECOND):
            self.tensors[layer + ".weight"] = support.narrow(self.random.standard_normal((SIDE, SIDE)) * 0.02, "F32")
            self.tensors[layer + ".bias"] = support.narrow(self.random.standard_normal(SIDE), "F32")
        support.save(self.model, self.tensors)
        self.rows = self.random.standard_normal((64, SIDE)) + 0.5

    def convert(self, statistics, *options):
        """(the file, what was printed) with these statistics, {name: (dtype, shape, bytes)}, or None."""
        target = self.folder / "out.safetensors"
        if statistics is not None:
            support.save(self.data, statistics)
            options = (*options, "--calibration-data", self.data)
        said = support.convert(self.model, target, "--force", *options)
        return support.File(target), said

    def nothings(self):
        """{what it is: (statistics of FIRST that say nothing, what the warning says)}."""
        zeros, hessian = np.zeros(SIDE), np.eye(SIDE)
        return {
            "rows of zeros": ({".input": support.narrow(np.zeros((64, SIDE)), "BF16")}, f"`{FIRST}.input` is zero"),
            "rows of negative zeros": ({".input": support.narrow(-np.zeros((64, SIDE)), "F16")}, f"`{FIRST}.input` is zero"),
            "no rows": ({".input": support.narrow(np.zeros((0, SIDE)), "F32")}, f"`{FIRST}.input` has no rows"),
            "maxima of zero": ({".channel_max": support.narrow(zeros, "F32")}, f"`{FIRST}.channel_max` is zero"),
            "a scale of zero": ({".input_scale": support.narrow(np.float32(0), "F32")}, f"`{FIRST}.input_scale` is zero"),
            "the floor of all scales": ({".input_scale": support.narrow(np.float32(1e-30), "F32")}, f"`{FIRST}.input_scale` is zero"),
            "a mean of zero": ({".channel_mean": support.narrow(zeros, "F32")}, f"`{FIRST}.channel_mean` is zero"),
            "squares of zero": ({".channel_sq": support.narrow(zeros, "F32")}, f"`{FIRST}.channel_sq` is zero"),
            "a Hessian of zero": ({".hessian": support.narrow(hessian * 0, "F32"), ".count": whole(64)}, f"`{FIRST}.hessian` is zero"),
            "figures of no rows": ({".hessian": support.narrow(hessian, "F32"), ".channel_mean": support.narrow(zeros + 1, "F32"),
                                    ".channel_max": support.narrow(zeros + 2, "F32"), ".count": whole(0)}, f"`{FIRST}.count` is 0"),
        }

    def test_nothing_gives_no_scale_no_correction_and_no_hessian(self):
        for options in (FP8, (*AXIS, "--input_scale"), (*AXIS, "--convrot", "--input_scale")):
            plain, _ = self.convert(None, *(o for o in options if o != "--input_scale"))
            for what, (statistics, warning) in self.nothings().items():
                with self.subTest(what, options=options):
                    file, said = self.convert({FIRST + ending: content for ending, content in statistics.items()}, *options)
                    self.assertIn(warning, said)
                    self.assertEqual(file.tensors, plain.tensors)

    def test_what_is_known_of_another_layer_is_used(self):
        statistics = {FIRST + ".input": support.narrow(self.rows * 0, "F32"), SECOND + ".input": support.narrow(self.rows, "F32")}
        file, said = self.convert(statistics, *FP8)
        self.assertIn(f"`{FIRST}.input` is zero", said)
        self.assertNotIn(f"`{SECOND}.input`", said)
        self.assertNotIn(FIRST + ".input_scale", file)
        self.assertEqual(file.tensors[FIRST + ".bias"], self.tensors[FIRST + ".bias"])
        right = np.float32(np.abs(self.rows.astype(np.float32)).max()) / 448
        self.assertAlmostEqual(float(file.raw(SECOND + ".input_scale")) / right, 1, places=6)
        self.assertNotEqual(file.tensors[SECOND + ".bias"], self.tensors[SECOND + ".bias"])

    def test_an_alias_leads_past_nothing_to_what_is_known(self):
        support.save(self.data, {FIRST + ".channel_max": support.narrow(np.zeros(SIDE), "F32"),
                                 SECOND + ".channel_max": support.narrow(np.full(SIDE, 3.0), "F32")}, {"aliases": f'{{"{FIRST}": "{SECOND}"}}'})
        target = self.folder / "out.safetensors"
        support.convert(self.model, target, *FP8, "--calibration-data", self.data)
        self.assertAlmostEqual(float(support.File(target).raw(FIRST + ".input_scale")) * 448, 3, places=5)

    def test_weights_of_a_channel_that_was_never_seen_are_not_clipped(self):
        weight = self.random.standard_normal((SIDE, SIDE)) * 0.02
        weight[:, 7] *= 8  # clipping it would make all other steps smaller
        self.tensors[FIRST + ".weight"] = support.narrow(weight, "F32")
        support.save(self.model, self.tensors)
        self.rows[:, 7] = 0
        square = (self.rows**2).mean(0)
        for statistics in ({".input": support.narrow(self.rows, "F32")}, {".channel_sq": support.narrow(square, "F32")}):
            file, said = self.convert({FIRST + ending: content for ending, content in statistics.items()}, *AXIS, "--optimizer", "none")
            self.assertRegex(said, rf"never saw some inputs of 1 layer.*'{FIRST}' \(1 of {SIDE}\)")
            error = support.dequantize(file, FIRST) - weight
            step = file.raw(FIRST + ".weight_scale").astype(np.float64)
            self.assertLess(np.linalg.norm(error[:, 7]), 0.1 * np.linalg.norm(weight[:, 7]))
            self.assertLess(np.median(np.abs(error[:, 7:8]) / step), 2)

    def test_impossible_numbers_are_still_refused(self):
        for statistics, why in (({".count": whole(-1), ".hessian": support.narrow(np.eye(SIDE), "F32")}, "is -1, not a number of samples"),
                                ({".input_scale": support.narrow(np.float32(-1), "F32")}, "no scale"),
                                ({".channel_max": support.narrow(np.full(SIDE, -1.0), "F32")}, "negative")):
            with self.assertRaisesRegex(AssertionError, f"status 65.*(?s:.*){why}"):
                self.convert({FIRST + ending: content for ending, content in statistics.items()}, *AXIS)


class CountedNothing(StatisticsOfNothing):
    """The same statistics by way of `calibrate`."""

    test_what_is_known_of_another_layer_is_used = test_an_alias_leads_past_nothing_to_what_is_known = None
    test_weights_of_a_channel_that_was_never_seen_are_not_clipped = test_impossible_numbers_are_still_refused = None

    def calibrate(self, *files):
        target = self.folder / "counted.safetensors"
        done = subprocess.run([support.CONVERTER.with_name("calibrate"), "--force", "-o", target, *files], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr, target

    def test_nothing_gives_no_scale_no_correction_and_no_hessian(self):
        if not support.CONVERTER.with_name("calibrate").exists():
            self.skipTest("no calibrate beside the converter")
        known = {SECOND + ".input": support.narrow(self.rows, "F32")}
        for what, (statistics, warning) in self.nothings().items():
            with self.subTest(what):
                nothing = {FIRST + ending: content for ending, content in statistics.items()}
                support.save(self.data, {**nothing, **known}, {"aliases": f'{{"{FIRST}.k": "{FIRST}"}}'})
                status, said, target = self.calibrate(self.data)
                self.assertEqual(status, 0, said)
                self.assertIn(warning, said)
                made = support.File(target)
                self.assertFalse([name for name in made.tensors if name.startswith(FIRST)])
                self.assertAlmostEqual(float(made.raw(SECOND + ".input_scale")) * 127, np.abs(self.rows.astype(np.float32)).max(), places=5)
                support.convert(self.model, self.folder / "out.safetensors", "--force", *AXIS, "--calibration-data", target)
                support.save(self.data, nothing)
                status, said, _ = self.calibrate(self.data)
                self.assertEqual(status, 65)
                self.assertRegex(said, rf"statistics of nothing alone: {warning}.*capture inputs that reach")


if __name__ == "__main__":
    support.main()
