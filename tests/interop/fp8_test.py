"""FP8 files against the E4M3 of ml_dtypes: the codes of a cast, and what they decode to."""
import statistics

import support
from support import np

ml_dtypes = support.needed("ml_dtypes")

MODEL = support.find_model()
LAYERS = ("--preset", "none", "--exclude-layers", "embeddings|pooler")


class Fp8(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.source = support.File(MODEL)
        cls.linear = support.linear_layers(cls.source)

    def convert(self, *options):
        target = self.folder / "out.safetensors"
        said = support.convert(MODEL, target, "--fp8", *LAYERS, "--force", *options)
        return support.File(target), said

    def cast(self, weight, scale):
        """The codes of a cast of weight / scale, clamped as loaders do."""
        return np.clip(weight / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn)

    def check_codes(self, file, name, weight, scale):
        codes = file.raw(name + ".weight")
        theirs = self.cast(weight, scale)
        self.assertEqual(file.tensors[name + ".weight"][0], "F8_E4M3")
        np.testing.assert_array_equal(codes, theirs.view(np.uint8))
        np.testing.assert_array_equal(support.FP8["F8_E4M3"][codes], theirs.astype(np.float32))
        return support.sqnr(weight, theirs.astype(np.float64) * scale)

    def test_one_scale_a_tensor(self):
        file, said = self.convert("--scaling_mode", "tensor", "--simple", "--comfy_quant")
        self.assertIn("loads in stock ComfyUI", said)
        found = []
        for layer in self.linear:
            weight = self.source.floats(layer + ".weight")
            scale = file.raw(layer + ".weight_scale")
            self.assertEqual((scale.dtype, scale.shape), (np.float32, ()))
            self.assertEqual(scale, np.abs(weight).max() / np.float32(448))
            self.assertEqual(file.tensors[layer + ".comfy_quant"][2], b'{"format": "float8_e4m3fn"}')
            found.append(self.check_codes(file, layer, weight, scale))
        print(f"one scale a tensor: median SQNR {statistics.median(found):.4f} dB, worst {min(found):.4f} dB")

    def test_a_scale_a_block(self):
        file, said = self.convert("--scaling_mode", "block", "--block_size", "64", "--simple", "--comfy_quant")
        self.assertIn("not in stock ComfyUI", said)
        found = []
        for layer in self.linear:
            weight = self.source.floats(layer + ".weight")
            scale = file.raw(layer + ".weight_scale")
            blocks = np.abs(weight).reshape(weight.shape[0] // 64, 64, weight.shape[1] // 64, 64).max((1, 3))
            np.testing.assert_array_equal(scale, blocks / np.float32(448))
            self.assertEqual(file.marker(layer), {"format": "float8_e4m3fn_blockwise", "group_size": 64})
            found.append(self.check_codes(file, layer, weight, support.expand(scale, weight.shape)))
        print(f"a scale for 64 x 64 weights: median SQNR {statistics.median(found):.4f} dB, worst {min(found):.4f} dB")

    def test_every_kind_of_weight(self):
        """Zeros, ties, subnormal codes and the ends of the grid, from every input type."""
        random = np.random.default_rng(8)
        table = np.sort(support.FP8["F8_E4M3"][np.isfinite(support.FP8["F8_E4M3"])])
        middles = (table[1:] + table[:-1]) / 2
        values = np.concatenate([table, middles, [0.0, -0.0, 448.0, -448.0], random.standard_normal(2000) * 2.0 ** random.integers(-12, 8, 2000)])
        weight = np.clip(np.resize(values, (256, 272)), -448, 448).astype(np.float32)
        for dtype in ("F32", "BF16", "F16"):
            source, target = self.folder / "in.safetensors", self.folder / "out.safetensors"
            support.save(source, {"blocks.0.attn.weight": support.narrow(weight, dtype)})
            support.convert(source, target, "--fp8", "--scaling_mode", "tensor", "--simple", "--comfy_quant", "--force", "--threads", 2)
            stored = support.File(source).floats("blocks.0.attn.weight")
            file = support.File(target)
            self.check_codes(file, "blocks.0.attn", stored, file.raw("blocks.0.attn.weight_scale"))

    def test_without_markers_the_older_name(self):
        file, _ = self.convert("--scaling_mode", "tensor", "--simple")
        self.assertIn(self.linear[0] + ".scale_weight", file)
        self.assertNotIn(self.linear[0] + ".weight_scale", file)
        self.assertEqual(file.layers(), [])

    def test_solvers_lower_their_objective_and_keep_codes_on_the_grid(self):
        nearest, _ = self.convert("--scaling_mode", "tensor", "--simple", "--comfy_quant")
        for optimizer in ("coordinate", "original", "adamw", "radam", "prodigy"):
            file, said = self.convert("--scaling_mode", "tensor", "--comfy_quant", "--optimizer", optimizer, "--num_iter", 60)
            moved, gained, cost = 0, [], []
            for layer in self.linear[:6]:
                weight = self.source.floats(layer + ".weight").astype(np.float64)
                before, after = support.dequantize(nearest, layer), support.dequantize(file, layer)
                moved += int(np.count_nonzero(before != after))
                self.assertTrue(np.all(np.isfinite(after)))
                u, _, vt = np.linalg.svd(weight, full_matrices=False)
                k = int(min(weight.shape) * 0.2)
                seen = lambda stored: np.linalg.norm(u[:, :k].T @ (weight - stored) @ vt[:k].T)
                gained.append(20 * np.log10(seen(before) / seen(after)))
                cost.append(support.sqnr(weight, before) - support.sqnr(weight, after))
            print(f"{optimizer}: {moved} codes moved, objective {statistics.median(gained):.2f} dB lower for {statistics.median(cost):.3f} dB of SQNR")
            self.assertGreater(moved, 0)
            self.assertGreater(min(gained), 0.1)
            self.assertLess(max(cost), 0.12)


if __name__ == "__main__":
    support.main()
