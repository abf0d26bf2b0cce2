"""Merged adapters against numpy: the codes are those of a model merged beforehand in FP64 and rounded to FP32."""
import json

import support
from support import np

SHAPES = {"blocks.0.attn.qkv": (768, 256), "blocks.0.mlp.up": (1024, 512), "blocks.1.attn.qkv": (768, 256), "blocks.1.mlp.up": (512, 1024)}


class Merged(support.Test):
    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(11)
        self.source, self.target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        self.tensors = {f"{layer}.weight": support.narrow(self.random.standard_t(5, shape) * 0.02, "BF16") for layer, shape in SHAPES.items()}
        self.tensors["blocks.0.attn.qkv.bias"] = support.narrow(self.normal(768), "F32")
        self.tensors["head.weight"] = support.narrow(self.normal(16, 256), "F32")
        self.tensors["final.weight"] = support.narrow(self.normal(40, 256), "BF16")
        support.save(self.source, self.tensors)

    def normal(self, *shape):
        return self.random.normal(0, 0.02, shape).astype(np.float32)

    def value(self, name, tensors=None):
        dtype, shape, data = (tensors or self.tensors)[name]
        return support.widen(np.frombuffer(data, support.WIDTH[dtype]).reshape(shape), dtype).astype(np.float64)

    def pair(self, layer, rank, dtype="F32", spelling=("lora_A", "lora_B")):
        rows, columns = self.tensors[layer + ".weight"][1]
        return {f".{spelling[0]}.weight": support.narrow(self.normal(rank, columns), dtype),
                f".{spelling[1]}.weight": support.narrow(self.normal(rows, rank), dtype)}

    def product(self, name, tensors, spelling=("lora_A", "lora_B")):
        return self.value(f"{name}.{spelling[1]}.weight", tensors) @ self.value(f"{name}.{spelling[0]}.weight", tensors)

    def save(self, file, tensors, metadata=None):
        support.save(self.folder / file, tensors, metadata)
        return self.folder / file

    def convert(self, *options):
        return support.convert(self.source, self.target, "--force", *options), support.File(self.target)

    def refusal(self, *options):
        with self.assertRaises(AssertionError) as failure:
            self.convert(*options)
        self.assertFalse(self.target.exists())
        return str(failure.exception)

    def adapters(self):
        """Two files over all layers in two spellings, and what they add to each tensor, in FP64 and without dampening."""
        first, second, added = {}, {}, {}
        for i, layer in enumerate([*SHAPES, "head", "final"]):
            name = "diffusion_model." + layer
            first.update({name + part: t for part, t in self.pair(layer, 8 * (i + 1), "BF16").items()})
            added[layer + ".weight"] = [self.product(name, first), 0.0]
        metadata = {"diffusion_model_blocks_0_mlp_up_alpha": "8"}
        added["blocks.0.mlp.up.weight"][0] = added["blocks.0.mlp.up.weight"][0] * 8 / 16
        spelling = ("lora_down", "lora_up")
        for layer in SHAPES:
            name = "lora_unet_" + layer.replace(".", "_")
            second.update({name + part: t for part, t in self.pair(layer, 16, "F16", spelling).items()})
            second[name + ".alpha"] = support.narrow(np.float32(4), "F32")
            added[layer + ".weight"][1] = self.product(name, second, spelling) * 4 / 16
        second["lora_unet_blocks_0_attn_qkv.diff_b"] = support.narrow(self.normal(768), "F32")
        added["blocks.0.attn.qkv.bias"] = [0.0, self.value("lora_unet_blocks_0_attn_qkv.diff_b", second)]
        return self.save("a.safetensors", first, metadata), self.save("b.safetensors", second), added

    def merged_beforehand(self, added, factors):
        sums = {name: self.value(name) + sum(f * d for f, d in zip(factors, delta)) for name, delta in added.items()}
        tensors = {**self.tensors, **{name: support.narrow(x.astype(np.float32), "F32") for name, x in sums.items()}}
        path, target = self.folder / "merged.safetensors", self.folder / "expected.safetensors"
        support.save(path, tensors)
        return path, target, sums

    def test_codes_are_those_of_a_model_merged_beforehand_in_fp64(self):
        first, second, added = self.adapters()
        before, expected_file, _ = self.merged_beforehand(added, [1.5, 0.9 * -0.7])
        for options in (["--comfy_quant", "--scaling_mode", "block"], ["--comfy_quant", "--scaling_mode", "axis"],
                        ["--comfy_quant", "--scaling_mode", "axis", "--convrot"], ["--comfy_quant", "--scaling_mode", "tensor"]):
            with self.subTest(options):
                said, file = self.convert("--simple", "--merge-loras", f"{first}:1.5", f"{second}:-0.7", *options)
                support.convert(before, expected_file, "--simple", "--force", *options)
                expected = support.File(expected_file)
                differ = sum(int(np.count_nonzero(file.raw(f"{l}.weight") != expected.raw(f"{l}.weight"))) for l in SHAPES)
                total = sum(int(np.prod(shape)) for shape in SHAPES.values())
                print(f"{' '.join(options)}: {differ} of {total} codes differ")
                self.assertLessEqual(differ, total / 100_000)
                self.assertIn("a.safetensors' with strength 1.5 into 6 layers", said)
                self.assertIn("b.safetensors' with strength -0.7 x 0.9 for the second of several: --no-merge-lora-dampen gives -0.7; into 4 layers", said)

    def test_the_stored_model_is_the_merged_one_with_searched_scales_too(self):
        first, second, added = self.adapters()
        _, _, sums = self.merged_beforehand(added, [1.0, 0.9])
        _, file = self.convert("--merge-loras", first, second)
        for layer in SHAPES:
            stored = support.dequantize(file, layer, support.rotation_of(file, layer))
            self.assertGreater(support.sqnr(sums[layer + ".weight"], stored), 38, layer)
            self.assertLess(support.sqnr(self.value(layer + ".weight"), stored), 30, "the adapters matter")

    def test_tensors_that_stay_are_merged_in_their_own_type(self):
        first, second, added = self.adapters()
        _, _, sums = self.merged_beforehand(added, [1.0, 0.9])
        _, file = self.convert("--simple", "--verify", "full", "--merge-loras", first, second)
        for name, step in (("head.weight", 2.0**-23), ("final.weight", 2.0**-8), ("blocks.0.attn.qkv.bias", 2.0**-23)):
            self.assertEqual(file.tensors[name][0], self.tensors[name][0])
            self.assertTrue(np.all(np.abs(file.floats(name) - sums[name]) <= step * (np.abs(sums[name]) + 1e-2)), name)
        exact = support.narrow(sums["final.weight"].astype(np.float32), "BF16")[2]
        self.assertGreater(np.mean(np.frombuffer(exact, "<u2") == np.frombuffer(file.tensors["final.weight"][2], "<u2")), 0.999)

    def test_the_second_is_dampened_unless_that_is_off(self):
        first, second, added = self.adapters()
        for flags, factors in (([], [1, 0.9]), (["--merge-lora-dampen"], [1, 0.9]), (["--no-merge-lora-dampen"], [1, 1]),
                               (["--merge-lora-dampen=False"], [1, 1]), (["--merge-lora-scale", "0.5"], [0.5, 0.45])):
            with self.subTest(flags):
                _, _, sums = self.merged_beforehand(added, factors)
                _, file = self.convert("--simple", "--merge-lora", first, "--merge-loras", second, *flags)
                self.assertLess(np.max(np.abs(file.raw("blocks.0.attn.qkv.bias") - sums["blocks.0.attn.qkv.bias"])), 1e-8)

    def test_a_key_that_matches_nothing_fails_and_is_named_with_the_nearest_layer(self):
        lora = self.save("c.safetensors", {**{f"head{part}": t for part, t in self.pair("head", 4).items()},
                                           **{f"final{part}": t for part, t in self.pair("final", 4).items()},
                                           **{f"transformer.blocks.0.attn.qvk{part}": t for part, t in self.pair("blocks.0.attn.qkv", 4).items()}})
        text = self.refusal("--merge-lora", lora)
        self.assertIn("status 2", text)
        self.assertIn("'transformer.blocks.0.attn.qvk.lora_A.weight' (nearest: 'blocks.0.attn.qkv')", text)
        said, file = self.convert("--merge-lora", lora, "--merge-lora-lenient", "--simple")
        self.assertIn("warning: 1 LoRA key matches nothing", said)
        _, plain = self.convert("--simple")
        self.assertEqual({name for name in file.tensors if file.tensors[name] != plain.tensors[name]}, {"head.weight", "final.weight"})
        self.target.unlink()
        self.assertIn("--strict", self.refusal("--merge-lora", lora, "--merge-lora-lenient", "--strict"))

    def test_bad_adapters_are_refused_before_anything_is_written(self):
        self.assertIn("status 66", self.refusal("--merge-lora", self.folder / "nowhere.safetensors"))
        self.assertIn("status 66", self.refusal("--merge-loras", self.folder / "nowhere.safetensors:0.5"))
        conv = self.save("conv.safetensors", {"head.lora_down.weight": support.narrow(np.ones((2, 256, 3, 3)), "F32"),
                                              "head.lora_up.weight": support.narrow(np.ones((16, 2, 1, 1)), "F32")})
        self.assertRegex(self.refusal("--merge-lora", conv), r"status 65.*\n.*\[2, 256, 3, 3\] does not fit 'head.weight' of the shape \[16, 256\]")
        wrong = self.save("wrong.safetensors", {"head" + part: t for part, t in self.pair("blocks.0.mlp.up", 2).items()})
        self.assertRegex(self.refusal("--merge-lora", wrong), r"status 65.*\n.*\[1024, 2\] does not fit 'head.weight' of the shape \[16, 256\]")
        nan = self.save("nan.safetensors", {"head.diff": support.narrow(np.full((16, 256), np.nan), "F32")})
        self.assertRegex(self.refusal("--merge-lora", nan), "status 65.*\n[^!]*NaN or infinity")

    def test_an_adapter_is_never_overwritten(self):
        lora = self.save("d.safetensors", {"head" + part: t for part, t in self.pair("head", 4).items()})
        before = lora.read_bytes()
        with self.assertRaisesRegex(AssertionError, "status 73"):
            support.convert(self.source, lora, "--force", "--simple", "--merge-lora", lora)
        self.assertEqual(lora.read_bytes(), before)

    def test_reports_measure_against_the_merged_weight_and_name_the_adapters(self):
        first, second, added = self.adapters()
        before, expected_file, _ = self.merged_beforehand(added, [1.0, 0.9])
        self.convert("--merge-loras", first, second, "--report-quality", self.folder / "a.json")
        support.convert(before, expected_file, "--report-quality", self.folder / "b.json")
        mine, theirs = (json.loads((self.folder / f).read_text()) for f in ("a.json", "b.json"))
        self.assertEqual([name for name, _ in mine["settings_list"]].count("merged"), 2)
        reference = {layer["name"]: layer for layer in theirs["layers"]}
        for layer in mine["layers"]:
            self.assertAlmostEqual(layer["sqnr_db"], reference[layer["name"]]["sqnr_db"], places=3)

    def test_a_dry_run_checks_the_adapters(self):
        first, second, _ = self.adapters()
        said = support.convert(self.source, self.target, "--dry-run", "--merge-loras", first, second)
        self.assertIn("into 6 layers", said)
        self.assertIn("status 66", self.refusal("--dry-run", "--merge-lora", self.folder / "nowhere.safetensors"))


if __name__ == "__main__":
    support.main()
