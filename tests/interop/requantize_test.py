"""Files that are quantized already: decoded as numpy decodes them, quantized again, and nothing left of the old codes."""
import json

import support
from support import np

LAYER = "blocks.0.lin"
SHAPE = (512, 768)


def scales_of(weight, rows, columns, last):
    """Absmax scales of groups of rows x columns, and the same for every weight, both in FP32."""
    m, n = weight.shape
    groups = np.abs(weight).reshape(m // rows, rows, n // columns, columns).max((1, 3))
    scale = (groups / np.float32(last)).astype(np.float32)
    return scale, np.repeat(np.repeat(scale, rows, 0), columns, 1)


def text(value):
    data = json.dumps(value).encode()
    return "U8", (len(data),), data


class Input:
    """A quantized layer as numpy makes it: its tensors, and what they decode to in FP32."""

    def __init__(self, weight, dtype, rows, columns, name="weight_scale", shape=None, marker=None, rotation=0, scaled=True):
        stored = (support.unrotate(weight.astype(np.float64), rotation) if rotation else weight).astype(np.float32)
        scale, everywhere = scales_of(stored, rows, columns, {"I8": 127, "F8_E4M3": 448, "F8_E5M2": 57344}[dtype])
        if not scaled:
            everywhere = np.ones_like(stored)
        if dtype == "I8":
            codes = np.clip(np.rint(stored / everywhere), -127, 127).astype(np.int8)
            content, numbers = (dtype, stored.shape, codes.tobytes()), codes.astype(np.float32)
        else:
            content = support.narrow(stored / everywhere, dtype)
            numbers = support.FP8[dtype][np.frombuffer(content[2], np.uint8).reshape(stored.shape)]
        self.tensors = {LAYER + ".weight": content}
        if scaled:
            self.tensors[f"{LAYER}.{name}"] = support.narrow(scale.reshape(scale.shape if shape is None else shape), "F32")
        if marker is not None:
            self.tensors[LAYER + ".comfy_quant"] = text(marker)
        decoded = numbers * everywhere
        self.decoded = support.unrotate(decoded.astype(np.float64), rotation) if rotation else decoded
        self.is_exact = rotation == 0
        self.stale = [n for n in self.tensors if n != LAYER + ".weight"]


def inputs(weight):
    m, n = weight.shape
    axis = {"format": "int8_tensorwise", "per_row": True}
    yield "FP8 with weight_scale", Input(weight, "F8_E4M3", m, n, shape=(), marker={"format": "float8_e4m3fn"})
    older = Input(weight, "F8_E4M3", m, n, name="scale_weight", shape=())
    older.tensors["scaled_fp8"] = ("F8_E4M3", (2,), bytes(2))
    older.tensors[LAYER + ".scale_input"] = support.narrow(np.float32(1), "F32")
    older.stale += ["scaled_fp8", LAYER + ".scale_input"]
    yield "FP8 with scale_weight and scaled_fp8", older
    yield "FP8 in blocks", Input(weight, "F8_E4M3", 128, 128, marker={"format": "float8_e4m3fn_blockwise", "group_size": 128})
    yield "bare E4M3", Input(weight, "F8_E4M3", m, n, scaled=False)
    yield "bare E5M2", Input(weight, "F8_E5M2", m, n, scaled=False)
    yield "INT8, one scale", Input(weight, "I8", m, n, shape=(), marker={"format": "int8_tensorwise"})
    yield "INT8, axis", Input(weight, "I8", 1, n, marker=axis)
    yield "INT8, the fork's axis", Input(weight, "I8", 1, n, shape=(m,), marker={"format": "int8_axiswise"})
    yield "INT8, blocks", Input(weight, "I8", 64, 64, marker={"format": "int8_blockwise", "group_size": 64})
    yield "INT8, blocks, unmarked", Input(weight, "I8", 64, 64, name="scale_weight")
    yield "INT8, ConvRot", Input(weight, "I8", 1, n, marker={**axis, "convrot": True, "convrot_groupsize": 256}, rotation=256)


class Requantize(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        random = np.random.default_rng(5)
        self.weight = (random.standard_t(5, SHAPE) * 0.05).astype(np.float32)
        self.kept = {"blocks.1.lin.weight": support.narrow(self.weight[:256], "BF16"), "norm.weight": support.narrow(self.weight[0], "F32")}

    def convert(self, given, *options):
        support.save(self.source, {**given.tensors, **self.kept})
        said = support.convert(self.source, self.target, "--requantize", "--force", "--verify", "full", "--comfy_quant", *options)
        file = support.File(self.target)
        for name in given.stale:
            self.assertTrue(name not in file or name == LAYER + ".comfy_quant" or name == LAYER + ".weight_scale", name)
        return file, said

    def test_is_never_done_silently(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                support.save(self.source, {**given.tensors, **self.kept})
                for options in (), ("--simple", "--comfy_quant"), ("--fp16",):
                    with self.assertRaisesRegex(AssertionError, f"already quantized: '{LAYER}' is .*--requantize"):
                        support.convert(self.source, self.target, *options)
                    self.assertFalse(self.target.exists())

    def test_gives_the_codes_of_the_numbers_that_the_old_codes_stand_for(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                file, _ = self.convert(given, "--simple", "--scaling_mode", "axis")
                scale, everywhere = scales_of(given.decoded.astype(np.float32), 1, SHAPE[1], 127)
                codes = np.clip(np.rint(given.decoded / everywhere), -127, 127).astype(np.int8)
                if given.is_exact:
                    np.testing.assert_array_equal(file.raw(LAYER + ".weight_scale"), scale)
                    np.testing.assert_array_equal(file.raw(LAYER + ".weight"), codes)
                else:
                    self.assertLess(np.mean(file.raw(LAYER + ".weight") != codes), 1e-4)
                self.assertEqual(file.marker(LAYER), {"format": "int8_tensorwise", "per_row": True})

    def test_loses_what_the_second_rounding_loses_and_no_more(self):
        for name, given in inputs(self.weight):
            for options in ((), ("--fp8", "--scaling_mode", "tensor"), ("--scaling_mode", "axis", "--convrot"), ("--optimizer", "coordinate")):
                with self.subTest(name, options=options):
                    file, said = self.convert(given, *options)
                    again = support.sqnr(given.decoded, support.dequantize(file, LAYER, support.rotation_of(file, LAYER)))
                    fresh = support.sqnr(self.weight, support.dequantize(self.fresh(*options), LAYER, support.rotation_of(self.fresh(*options), LAYER)))
                    self.assertGreater(again, fresh - 0.3, said)

    def fresh(self, *options):
        """The same options on the weights as they were."""
        self.made = getattr(self, "made", {})
        if options not in self.made:
            source, target = self.folder / "fresh.safetensors", self.folder / "fresh_out.safetensors"
            support.save(source, {LAYER + ".weight": support.narrow(self.weight, "F32")})
            support.convert(source, target, "--force", "--comfy_quant", *options)
            self.made[options] = support.File(target)
        return self.made[options]

    def test_to_fp16_decodes(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                file, _ = self.convert(given, "--fp16")
                got = file.raw(LAYER + ".weight")
                if given.is_exact:
                    np.testing.assert_array_equal(got, given.decoded.astype(np.float16))
                else:
                    np.testing.assert_allclose(got.astype(np.float64), given.decoded, rtol=1e-3, atol=1e-6)

    def test_the_same_bytes_however_the_work_is_cut(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                made = set()
                for options in ("--threads", 1), ("--threads", 2), ("--low-memory",), ("--memory-budget", "16M"):
                    self.convert(given, "--simple", *options)
                    made.add(self.target.read_bytes())
                self.assertEqual(len(made), 1)

    def test_of_shards_that_part_codes_from_scales(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                whole, _ = self.convert(given, "--simple")
                model = self.folder / "model"
                model.mkdir(exist_ok=True)
                parts = {"m-00001-of-00002.safetensors": {LAYER + ".weight": given.tensors[LAYER + ".weight"], **self.kept},
                         "m-00002-of-00002.safetensors": {n: t for n, t in given.tensors.items() if n != LAYER + ".weight"}}
                for file, tensors in parts.items():
                    support.save(model / file, tensors)
                (model / "m.safetensors.index.json").write_text(json.dumps({"weight_map": {n: file for file, tensors in parts.items() for n in tensors}}))
                support.convert(model, self.target, "--requantize", "--force", "--comfy_quant", "--simple")
                self.assertEqual(support.File(self.target).tensors, whole.tensors)

    def test_predicts_the_size(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                support.save(self.source, {**given.tensors, **self.kept})
                said = support.convert(self.source, self.folder / "none", "--requantize", "--comfy_quant", "--save-quant-metadata", "--dry-run")
                support.convert(self.source, self.target, "--requantize", "--comfy_quant", "--save-quant-metadata", "--force")
                self.assertIn(f"output: {self.target.stat().st_size} bytes", said)

    def test_kept_layers_stay_as_they_are(self):
        for name, given in inputs(self.weight):
            with self.subTest(name):
                support.save(self.source, {**given.tensors, **self.kept})
                support.convert(self.source, self.target, "--requantize", "--force", "--comfy_quant", "--exclude-layers", "blocks.0")
                file = support.File(self.target)
                for tensor, content in given.tensors.items():
                    self.assertEqual(file.tensors[tensor], (content[0], tuple(content[1]), content[2]))

    def test_adapters_are_added_to_what_the_codes_stand_for(self):
        random = np.random.default_rng(9)
        up, down = (random.standard_normal(shape).astype(np.float32) * 0.1 for shape in ((SHAPE[0], 4), (4, SHAPE[1])))
        lora = self.folder / "lora.safetensors"
        support.save(lora, {LAYER + ".lora_A.weight": support.narrow(down, "F32"), LAYER + ".lora_B.weight": support.narrow(up, "F32")})
        for name, given in inputs(self.weight):
            with self.subTest(name):
                file, _ = self.convert(given, "--simple", "--scaling_mode", "axis", "--merge-lora", lora)
                merged = given.decoded + up.astype(np.float64) @ down
                self.assertGreater(support.sqnr(merged, support.dequantize(file, LAYER)), 36)
                with self.assertRaisesRegex(AssertionError, "(?s)LoRA cannot be merged into 'blocks.0.lin.weight'.*--requantize"):
                    support.convert(self.source, self.target, "--force", "--exclude-layers", "blocks.0", "--merge-lora", lora)

    def test_a_number_that_is_none_is_refused_or_kept(self):
        codes = bytearray(support.narrow(self.weight, "F8_E4M3")[2])
        codes[SHAPE[1] + 3] = 0x7F
        tensors = {LAYER + ".weight": ("F8_E4M3", SHAPE, bytes(codes)), **self.kept}
        support.save(self.source, tensors)
        with self.assertRaisesRegex(AssertionError, f"(?s)status 65.*{LAYER}.*row 1, column 3.* is NaN"):
            support.convert(self.source, self.target, "--requantize")
        support.convert(self.source, self.target, "--requantize", "--nan", "keep")
        self.assertEqual(support.File(self.target).tensors[LAYER + ".weight"][2], bytes(codes))


if __name__ == "__main__":
    support.main()
