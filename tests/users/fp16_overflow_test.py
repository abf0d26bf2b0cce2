"""Numbers beyond FP16: refused with tensor and element wherever FP16 is made of them, or what --fp16-overflow says."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

BIG, PLAIN = "blocks.0.ffn", "blocks.1.ffn"


class Overflow(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        random = np.random.default_rng(11)
        self.weights = {layer: (random.standard_normal((512, 256)) * 0.02).astype(np.float32) for layer in (BIG, PLAIN)}
        self.weights[BIG][2, 7] = 70000

    def save(self, dtype="BF16", more=None):
        self.stored = {layer + ".weight": support.narrow(weight, dtype) for layer, weight in self.weights.items()}
        support.save(self.source, {**self.stored, **(more or {})})
        return {layer: support.widen(np.frombuffer(t[2], support.WIDTH[t[0]]).reshape(t[1]), t[0])
                for layer, t in ((layer, self.stored[layer + ".weight"]) for layer in self.weights)}

    def convert(self, *options):
        said = support.convert(self.source, self.target, "--preset", "none", "--force", *options)
        return support.File(self.target), said

    def refuses(self, pattern, *options):
        self.target.unlink(missing_ok=True)
        with self.assertRaisesRegex(AssertionError, "(?s)status 65.*" + pattern):
            self.convert(*options)
        self.assertFalse(self.target.exists())

    WAYS = ("--fp16",), ("--comfy_quant", "--custom-layers", "blocks.0", "--custom-type", "fp16"), \
        ("--comfy_quant", "--exclude-layers", "blocks.0", "--fallback", "fp16")

    def ways(self):
        config = self.folder / "layers.json"
        config.write_text(json.dumps({"blocks.0": {"format": "fp16"}}))
        return *self.WAYS, ("--comfy_quant", "--layer-config", config), ("--fp16", "--rounding", "stochastic")

    def test_is_refused_with_tensor_and_element(self):
        for dtype, value in ("BF16", "70144"), ("F32", "70000"), ("F64", "70000"):
            self.save(dtype)
            for way in self.ways():
                with self.subTest(dtype, way=way):
                    self.refuses(rf"'{BIG}\.weight' in FP16: element 519 \(row 2, column 7\) is {value}, and FP16 ends at 65504.*"
                                 "--fp16-overflow keep.*--fp16-overflow clamp", *way)
        self.weights[BIG][2, 7], self.weights[BIG][500, 255] = 0, -1e30
        self.save("F32")
        self.refuses(r"element 128255 \(row 500, column 255\) is -1e\+30", "--fp16")

    def test_the_last_number_is_where_it_rounds_to(self):
        for value, stored in (65504, 65504), (65519.99, 65504), (-65519, -65504), (65520, None), (-65520, None):
            with self.subTest(value):
                self.weights[BIG][2, 7] = value
                self.save("F32")
                if stored is None:
                    self.refuses("row 2, column 7", "--fp16")
                else:
                    self.assertEqual(self.convert("--fp16")[0].raw(BIG + ".weight")[2, 7], stored)

    def test_keep_leaves_the_tensor_in_its_type(self):
        for dtype in "BF16", "F32":
            right = self.save(dtype)
            for way in self.ways():
                with self.subTest(dtype, way=way):
                    file, said = self.convert(*way, "--fp16-overflow", "keep")
                    self.assertIn(f"'{BIG}.weight' exceeds FP16 and stays as it is", said)
                    dtype_, shape, data = self.stored[BIG + ".weight"]
                    self.assertEqual(file.tensors[BIG + ".weight"], (dtype_, tuple(shape), data))
                    if way == ("--fp16",):
                        np.testing.assert_array_equal(file.raw(PLAIN + ".weight"), right[PLAIN].astype(np.float16))

    def test_clamp_stores_the_last_number_and_says_so(self):
        self.weights[BIG][300, 9] = -np.float32(1e38)
        for dtype in "BF16", "F32":
            right = self.save(dtype)
            for way in self.ways():
                with self.subTest(dtype, way=way):
                    file, said = self.convert(*way, "--fp16-overflow", "clamp", "--verify", "full")
                    self.assertRegex(said, f"2 weights of '{BIG}' exceeded FP16 and are 65504 now: --fp16-overflow keep")
                    got = file.raw(BIG + ".weight")
                    if "stochastic" not in way:
                        np.testing.assert_array_equal(got, np.clip(right[BIG], -65504, 65504).astype(np.float16))
                    self.assertEqual((got[2, 7], got[300, 9]), (65504, -65504))
        with self.assertRaisesRegex(AssertionError, "status 65.*--strict"):
            self.convert("--fp16", "--fp16-overflow", "clamp", "--strict")

    def test_where_nothing_overflows_every_policy_gives_the_same_bytes(self):
        self.weights[BIG][2, 7] = 1
        self.save("F32")
        made = set()
        for policy in "refuse", "keep", "clamp":
            self.convert("--fp16", "--fp16-overflow", policy)
            made.add(self.target.read_bytes())
        self.assertEqual(len(made), 1)
        self.assertIn("--fp16-overflow changes nothing here: no layer is stored in FP16", self.convert("--comfy_quant", "--fp16-overflow", "keep")[1])

    def test_of_codes_whose_scale_leads_beyond(self):
        codes = support.narrow(self.weights[PLAIN] * 1000, "F8_E4M3")
        numbers = support.FP8["F8_E4M3"][np.frombuffer(codes[2], np.uint8).reshape(512, 256)]
        scale = np.float32(80000 / np.abs(numbers).max())
        place = int(np.flatnonzero(np.abs(numbers * scale) >= 65520)[0])
        tensors = {PLAIN + ".weight": codes, PLAIN + ".weight_scale": support.narrow(scale, "F32")}
        support.save(self.source, tensors)
        self.refuses(rf"'{PLAIN}\.weight' in FP16: element {place} ", "--fp16", "--requantize")
        file, _ = self.convert("--fp16", "--requantize", "--fp16-overflow", "keep")
        self.assertEqual(file.tensors, {n: (t[0], tuple(t[1]), t[2]) for n, t in tensors.items()})
        file, _ = self.convert("--fp16", "--requantize", "--fp16-overflow", "clamp")
        np.testing.assert_array_equal(file.raw(PLAIN + ".weight"), np.clip(numbers * scale, -65504, 65504).astype(np.float16))

    def test_of_a_scale_that_overflowed_in_fp16(self):
        codes = support.narrow(self.weights[PLAIN] * 1000, "F8_E4M3")
        scale = np.full((512, 1), 0.001, np.float32)
        scale[5] = np.inf
        support.save(self.source, {PLAIN + ".weight": codes, PLAIN + ".weight_scale": support.narrow(scale, "F16")})
        self.refuses(rf"'{PLAIN}\.weight_scale': element 5 is NaN or infinite", "--fp16", "--requantize")
        self.convert("--fp16", "--requantize", "--exclude-layers", "blocks.1")  # as the message says

    def test_of_a_merge_that_leads_beyond(self):
        self.weights[BIG][2, 7] = 60000
        right = self.save("F32")
        up, down = np.zeros((512, 1), np.float32), np.zeros((1, 256), np.float32)
        up[2], down[0, 7] = 100, 100
        lora = self.folder / "lora.safetensors"
        support.save(lora, {BIG + ".lora_A.weight": support.narrow(down, "F32"), BIG + ".lora_B.weight": support.narrow(up, "F32")})
        self.refuses(r"element 519 \(row 2, column 7\) is 70000 once its LoRAs are merged", "--fp16", "--merge-lora", lora)
        right[BIG][2, 7] = 70000
        file, _ = self.convert("--fp16", "--merge-lora", lora, "--fp16-overflow", "keep")
        np.testing.assert_array_equal(file.raw(BIG + ".weight"), right[BIG])
        file, _ = self.convert("--fp16", "--merge-lora", lora, "--fp16-overflow", "clamp")
        self.assertEqual(file.raw(BIG + ".weight")[2, 7], 65504)
        # a tensor that stays FP16 and is merged
        self.weights[BIG][2, 7] = 60000
        self.save("F16")
        self.refuses(rf"'{BIG}\.weight': element 519 exceeds F16", "--fp16", "--merge-lora", lora)
        self.convert("--fp16", "--merge-lora", f"{lora}:0.1")

    def test_of_a_bias_that_is_corrected(self):
        weight = self.weights[PLAIN]
        bias = np.zeros(512, np.float32)
        inputs = np.full((64, 256), 2e6, np.float32) * (1 + 0.1 * np.random.default_rng(1).standard_normal((64, 256)).astype(np.float32))
        # rounding at 8 bits takes up to half a step of each weight, times the mean of the inputs: FP16 cannot hold it
        support.save(self.source, {PLAIN + ".weight": support.narrow(weight * 50, "F32"), PLAIN + ".bias": support.narrow(bias, "F16")})
        data = self.folder / "inputs.safetensors"
        support.save(data, {PLAIN + ".input": support.narrow(inputs, "F32")})
        options = "--comfy_quant", "--scaling_mode", "tensor", "--scale_optimization", "absmax", "--optimizer", "none", "--calibration-data", data
        self.refuses(rf"cannot correct the bias '{PLAIN}\.bias': element \d+ becomes -?[\d.e+]+, which exceeds F16.*--exclude-layers", *options)
        file, _ = self.convert(*options, "--exclude-layers", r"\.bias$")  # as the message says
        np.testing.assert_array_equal(file.raw(PLAIN + ".bias"), bias.astype(np.float16))

    def test_the_same_bytes_however_the_work_is_cut(self):
        self.save("F32")
        for policy in "keep", "clamp":
            made = set()
            for options in ("--threads", 1), ("--threads", 2), ("--low-memory",), ("--memory-budget", "16M"):
                self.convert("--fp16", "--fp16-overflow", policy, *options)
                made.add(self.target.read_bytes())
            self.assertEqual(len(made), 1)


if __name__ == "__main__":
    support.main()
