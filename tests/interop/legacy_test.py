"""Files with scale_weight and scaled_fp8, brought into the form of ComfyUI's markers without a change of their codes."""
import json

import support
from support import np

SHAPE = (256, 384)


def scale(value, dtype="F32", shape=()):
    name, _, data = support.narrow(np.full(shape, value, np.float32), dtype)
    return name, shape, data


class Legacy(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "in.safetensors", self.folder / "in_markers.safetensors"
        random = np.random.default_rng(1)
        self.codes = random.integers(0, 0x7E, SHAPE, np.uint8)
        self.fp8 = ("F8_E4M3", SHAPE, self.codes.tobytes())
        self.int8 = ("I8", SHAPE, self.codes.tobytes())

    def convert(self, tensors, *options, metadata=None):
        support.save(self.source, tensors, metadata)
        done = support.subprocess.run([support.CONVERTER, "--progress", "none", "--convert-legacy", "-i", self.source, *options],
                                      capture_output=True, text=True)
        return done

    def made(self, tensors, *options, metadata=None):
        done = self.convert(tensors, "--force", *options, metadata=metadata)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith("in_markers.safetensors\n"))
        return support.File(self.target)

    def refused(self, tensors, why, *options, status=2):
        self.target.unlink(missing_ok=True)
        done = self.convert(tensors, *options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, why)
        self.assertFalse(self.target.exists())

    def test_scaled_fp8(self):
        tensors = {"m.scaled_fp8": ("F8_E4M3", (2,), bytes(2)), "m.a.weight": self.fp8, "m.a.bias": scale(1, "BF16", (256,)),
                   "m.a.scale_weight": scale(0.25), "m.a.scale_input": scale(2), "m.b.weight": self.fp8,
                   "m.b.scale_weight": scale(0.5, "BF16", (1,)), "m.b.scale_input": scale(1), "m.norm.weight": scale(1, "F16", (384,)),
                   "other.weight": scale(1, "F32", (4, 4))}
        file = self.made(tensors, metadata={"config": "{}"})
        self.assertEqual(sorted(file.tensors), ["m.a.bias", "m.a.comfy_quant", "m.a.input_scale", "m.a.weight", "m.a.weight_scale",
                                                "m.b.comfy_quant", "m.b.weight", "m.b.weight_scale", "m.norm.weight", "other.weight"])
        for name in "m.a.weight", "m.a.bias", "m.b.weight", "m.norm.weight", "other.weight":
            self.assertEqual(file.tensors[name], (*tensors[name][:1], tuple(tensors[name][1]), tensors[name][2]))
        for layer, value in ("m.a", 0.25), ("m.b", 0.5):
            self.assertEqual(file.marker(layer), {"format": "float8_e4m3fn", "full_precision_matrix_mult": True})
            self.assertEqual(file.tensors[layer + ".weight_scale"], ("F32", (), np.float32(value).tobytes()))
        self.assertEqual(file.tensors["m.a.input_scale"], ("F32", (), np.float32(2).tobytes()))
        self.assertEqual(file.metadata, {"config": "{}"})

    def test_an_empty_flag_asks_for_nothing_and_e5m2_has_a_format_too(self):
        file = self.made({"scaled_fp8": ("F8_E4M3", (0,), b""), "a.weight": self.fp8, "a.scale_weight": scale(1),
                          "b.weight": ("F8_E5M2", SHAPE, self.codes.tobytes()), "b.scale_weight": scale(1)})
        self.assertEqual(file.marker("a"), {"format": "float8_e4m3fn"})
        self.assertEqual(file.marker("b"), {"format": "float8_e5m2"})
        self.assertNotIn("scaled_fp8", file)

    def test_what_the_converter_writes_without_markers_is_what_it_writes_with_them(self):
        random = np.random.default_rng(2)
        weights = self.folder / "weights.safetensors"
        support.save(weights, {"blocks.0.lin.weight": support.narrow(random.standard_normal((256, 256)), "F32")})
        for options in ("--scaling_mode", "tensor"), ("--block_size", "64"), ("--fp8", "--scaling_mode", "tensor"), ("--fp8",):
            with self.subTest(options):
                marked = self.folder / "marked.safetensors"
                support.convert(weights, self.source, "--force", "--simple", *options)
                support.convert(weights, marked, "--force", "--simple", "--comfy_quant", *options)
                before = self.source.read_bytes()
                done = support.subprocess.run([support.CONVERTER, "--convert_legacy", "-i", self.source, "--force"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.target.read_bytes(), marked.read_bytes())
                self.assertEqual(self.source.read_bytes(), before)

    def test_markers_without_a_format_get_the_one_of_the_shapes(self):
        def marked(codes, scales, marker):
            text = json.dumps(marker).encode()
            return {"a.weight": codes, "a.weight_scale": scales, "a.comfy_quant": ("U8", (len(text),), text)}

        for codes, scales, marker, repaired in (
                (self.fp8, scale(1), {}, {"format": "float8_e4m3fn"}),
                (self.fp8, scale(1, "F32", (4, 6)), {}, {"format": "float8_e4m3fn_blockwise", "group_size": 64}),
                (self.int8, scale(1), {"note": 1}, {"format": "int8_tensorwise", "note": 1}),
                (self.int8, scale(1, "F32", (256, 1)), {"convrot": True, "convrot_groupsize": 64},
                 {"format": "int8_tensorwise", "per_row": True, "convrot": True, "convrot_groupsize": 64}),
                (self.int8, scale(1, "F32", (2, 3)), {"group_size": 128}, {"format": "int8_blockwise", "group_size": 128})):
            with self.subTest(repaired):
                given = marked(codes, scales, marker)
                file = self.made(given)
                self.assertEqual(file.marker("a"), repaired)
                self.assertTrue(file.tensors["a.comfy_quant"][2].startswith(b'{"format"'))
                for name in "a.weight", "a.weight_scale":
                    self.assertEqual(file.tensors[name], (given[name][0], tuple(given[name][1]), given[name][2]))
        self.refused(marked(self.fp8, scale(1, "F32", (3, 3)), {}), "'a', because scales of the shape")

    def test_a_repaired_layer_is_one_that_loaders_take(self):
        """Facts 3 and 4 of loaders: scales are F32, those of rows [M, 1] for stock ComfyUI and [M] for its fork."""
        def marked(codes, scales, marker):
            text = json.dumps(marker).encode()
            return {"a.weight": codes, "a.weight_scale": scales, "a.comfy_quant": ("U8", (len(text),), text)}

        rows = np.arange(1, 257, dtype=np.float32)
        flat = ("F32", (256,), rows.tobytes())
        file = self.made(marked(self.int8, flat, {"per_row": True}))
        self.assertEqual(file.tensors["a.weight_scale"], ("F32", (256, 1), rows.tobytes()))
        self.assertEqual(file.tensors["a.comfy_quant"][2], b'{"format": "int8_tensorwise", "per_row": true}')
        file = self.made(marked(self.int8, ("F32", (256, 1), rows.tobytes()), {"x": [1]}), "--comfy_target", "fork")
        self.assertEqual(file.tensors["a.weight_scale"], flat)
        self.assertEqual(file.tensors["a.comfy_quant"][2], b'{"format": "int8_axiswise", "x": [1]}')
        file = self.made(marked(self.fp8, scale(0.5, "BF16", (1,)), {"full_precision_matrix_mult": True}))
        self.assertEqual(file.tensors["a.weight_scale"], scale(0.5))
        self.assertEqual(file.tensors["a.comfy_quant"][2], b'{"format": "float8_e4m3fn", "full_precision_matrix_mult": true}')
        self.refused(marked(self.fp8, scale(float("nan")), {}), "'a.weight_scale'", status=65)

    def test_a_marker_keeps_what_it_says_beside_an_older_name(self):
        text = json.dumps({"format": "float8_e4m3fn", "full_precision_matrix_mult": True}).encode()
        file = self.made({"a.weight": self.fp8, "a.scale_weight": scale(2), "a.comfy_quant": ("U8", (len(text),), text)})
        self.assertEqual(file.tensors["a.comfy_quant"][2], text)
        self.assertEqual(file.tensors["a.weight_scale"], scale(2))

    def test_a_marker_that_contradicts_the_shapes_is_refused(self):
        for scales, marker, why in ((scale(1, "F32", (2, 3)), {"group_size": 64}, "group_size 64.*blocks of 128"),
                                    (scale(1), {"per_row": True}, r"per_row true.*the shape \[\]"),
                                    (scale(1, "F32", (256, 1)), {"per_row": False}, r"per_row false.*the shape \[256, 1\]"),
                                    (scale(1), {"convrot": True, "convrot_groupsize": 64}, "rotated.*not one a row")):
            for name in "weight_scale", "scale_weight":
                with self.subTest(marker, name=name):
                    text = json.dumps(marker).encode()
                    self.refused({"a.weight": self.int8, "a." + name: scales, "a.comfy_quant": ("U8", (len(text),), text)}, "'a', because .*" + why)
        self.refused({"a.weight": self.fp8, "a.scale_weight": scale(1), "a.input_scale": scale(1), "a.scale_input": scale(2)}, "both `input_scale`")

    def test_what_the_shapes_do_not_decide_is_refused(self):
        self.refused({"a.weight": self.int8, "a.scale_weight": scale(1, "F32", (256, 1))}, "not rotated")
        self.refused({"a.weight": self.fp8, "a.scale_weight": scale(1, "F32", (256, 1))}, "a scale a row")
        self.refused({"a.weight": self.int8, "a.scale_weight": scale(1), "a.smooth_factors": scale(1, "F32", (384,))}, "smoothed")
        self.refused({"a.weight": scale(1, "BF16", SHAPE), "a.scale_weight": scale(1)}, "its weight is BF16")
        self.refused({"a.weight": scale(1, "BF16", SHAPE)}, "nothing to do")
        for bad in float("nan"), float("inf"), 0, -1:
            self.refused({"a.weight": self.fp8, "a.scale_weight": scale(bad)}, "'a.scale_weight'", status=65)
        self.refused({"a.weight": self.fp8, "a.scale_weight": scale(1)}, "'--simple' contradicts", "--simple")

    def test_shards_become_one_file(self):
        tensors = {"scaled_fp8": ("F8_E4M3", (0,), b""), "a.weight": self.fp8, "a.scale_weight": scale(0.5), "norm.weight": scale(1, "F16", (384,))}
        merged = self.made(tensors).tensors
        model = self.folder / "model"
        model.mkdir()
        parts = {"model-00001-of-00002.safetensors": ["a.weight", "scaled_fp8"], "model-00002-of-00002.safetensors": ["a.scale_weight", "norm.weight"]}
        for file, names in parts.items():
            support.save(model / file, {name: tensors[name] for name in names})
        (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {name: file for file, names in parts.items() for name in names}}))
        done = support.subprocess.run([support.CONVERTER, "--convert-legacy", "-i", model, "-o", self.target, "--force"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(support.File(self.target).tensors, merged)

    def test_a_dry_run_writes_nothing(self):
        done = self.convert({"a.weight": self.fp8, "a.scale_weight": scale(1)}, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("markers for 1 layer", done.stderr)
        self.assertEqual([f.name for f in self.folder.iterdir()], ["in.safetensors"])


if __name__ == "__main__":
    support.main()
