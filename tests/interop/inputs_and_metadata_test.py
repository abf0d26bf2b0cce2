"""Every source dtype gives the codes numpy computes; metadata is kept; scalar scales and layer metadata as asked for."""
import json

import support
from support import np


def codes_by_rows(weight):
    amax = np.abs(weight).max(1, keepdims=True)
    scale = np.maximum(amax / np.float32(127), np.float32(1e-30))
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


class Inputs(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        self.weight = np.random.default_rng(3).standard_t(5, (512, 300)).astype(np.float32)

    def convert(self, tensors, *options, metadata=None):
        support.save(self.source, tensors, metadata)
        support.convert(self.source, self.target, "--simple", "--force", *options)
        return support.File(self.target)

    def test_every_source_dtype_gives_the_codes_of_its_fp32_values(self):
        for dtype in ["F64", "F32", "F16", "BF16"]:
            with self.subTest(dtype):
                tensor = support.narrow(self.weight, dtype)
                file = self.convert({"blocks.0.lin.weight": tensor}, "--comfy_quant", "--scaling_mode", "axis")
                codes, scale = codes_by_rows(support.widen(np.frombuffer(tensor[2], support.WIDTH[dtype]).reshape(512, 300), dtype))
                self.assertTrue(np.array_equal(file.raw("blocks.0.lin.weight_scale"), scale), dtype)
                self.assertTrue(np.array_equal(file.raw("blocks.0.lin.weight"), codes), dtype)

    def test_fp8_without_a_scale_is_refused_as_quantized(self):
        for dtype in ["F8_E4M3", "F8_E5M2"]:
            with self.subTest(dtype), self.assertRaisesRegex(AssertionError, "already quantized.*blocks.0.lin"):
                self.convert({"blocks.0.lin.weight": support.narrow(self.weight, dtype)}, "--comfy_quant", "--scaling_mode", "axis")

    def test_fp8_with_a_scale_is_refused_as_quantized(self):
        content = {"blocks.0.lin.weight": support.narrow(self.weight, "F8_E4M3"), "blocks.0.lin.weight_scale": support.narrow(np.float32(1), "F32")}
        with self.assertRaisesRegex(AssertionError, "already quantized.*blocks.0.lin"):
            self.convert(content, "--comfy_quant", "--scaling_mode", "axis")
        self.assertFalse(self.target.exists())

    def test_an_f64_weight_is_rounded_to_fp32_first(self):
        weight = self.weight.astype(np.float64) * (1 + 1e-9)
        file = self.convert({"blocks.0.lin.weight": ("F64", weight.shape, weight.tobytes())}, "--comfy_quant", "--scaling_mode", "axis")
        self.assertTrue(np.array_equal(file.raw("blocks.0.lin.weight"), codes_by_rows(weight.astype(np.float32))[0]))

    def test_all_dtypes_pass_through_unchanged(self):
        content = {f"extra.{dtype}": (dtype, (3, 8 // np.dtype(width).itemsize), bytes(range(24)) if dtype != "BOOL" else bytes(24))
                   for dtype, width in support.WIDTH.items()}
        content["scalar"] = ("I64", (), bytes(8))
        content["empty"] = ("F32", (0, 3), b"")
        content["blocks.0.lin.weight"] = support.narrow(np.ones((256, 256)), "F32")
        file = self.convert(content, "--comfy_quant", "--scaling_mode", "axis")
        for name in content:
            if name != "blocks.0.lin.weight":
                self.assertEqual(file.tensors[name], content[name])

    def test_metadata_is_kept(self):
        metadata = {"config": json.dumps({"a": {"b": [1, "\u00e9\u4e2d"]}}), "format": "pt", "": "empty key", "quote\"d": "back\\slash\n"}
        file = self.convert({"blocks.0.lin.weight": support.narrow(self.weight, "BF16")}, "--comfy_quant", metadata=metadata)
        self.assertEqual(file.metadata, metadata)

    def test_save_quant_metadata_adds_the_markers_to_the_header(self):
        file = self.convert({f"blocks.{i}.lin.weight": support.narrow(np.ones((256, 256)), "BF16") for i in range(3)}, "--comfy_quant",
                            "--scaling_mode", "axis", "--convrot", "--save-quant-metadata", metadata={"config": "{}"})
        self.assertEqual(file.metadata["config"], "{}")
        stored = json.loads(file.metadata["_quantization_metadata"])
        self.assertEqual(stored, {"format_version": "1.0", "layers": {f"blocks.{i}.lin": file.marker(f"blocks.{i}.lin") for i in range(3)}})

    def test_no_normalize_scales_keeps_one_element_scales_as_vectors(self):
        content = {"blocks.0.lin.weight": support.narrow(np.ones((256, 256)), "BF16")}
        self.assertEqual(self.convert(content, "--comfy_quant", "--scaling_mode", "tensor").tensors["blocks.0.lin.weight_scale"][1], ())
        file = self.convert(content, "--comfy_quant", "--scaling_mode", "tensor", "--no-normalize-scales")
        self.assertEqual(file.tensors["blocks.0.lin.weight_scale"][1], (1,))

    def test_an_all_zero_layer_dequantizes_to_zero(self):
        for mode in ["block", "axis", "tensor"]:
            file = self.convert({"blocks.0.lin.weight": support.narrow(np.zeros((256, 256)), "BF16")}, "--comfy_quant", "--scaling_mode", mode)
            self.assertFalse(np.any(support.dequantize(file, "blocks.0.lin")))

    def test_nearest_is_off_by_at_most_half_a_step_and_ties_go_to_even(self):
        ties = np.arange(-127, 127.5, 0.5, dtype=np.float32)
        weight = np.zeros((256, 512), np.float32)
        weight[:, : ties.size] = ties
        file = self.convert({"blocks.0.lin.weight": support.narrow(weight, "F32")}, "--comfy_quant", "--scaling_mode", "axis")
        self.assertTrue(np.array_equal(file.raw("blocks.0.lin.weight"), np.rint(weight).astype(np.int8)))
        file = self.convert({"blocks.0.lin.weight": support.narrow(self.weight, "F32")}, "--comfy_quant", "--scaling_mode", "axis")
        step = file.raw("blocks.0.lin.weight_scale").astype(np.float64)
        self.assertLessEqual(np.max(np.abs(self.weight - support.dequantize(file, "blocks.0.lin")) / step), 0.5 + 1e-5)


if __name__ == "__main__":
    support.main()
