"""FP8 weights beside scales under other spellings are refused by the scales' name, not decoded as if they had none."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

RNG = np.random.default_rng(8)
LAYER = "blocks.0.attn.q_proj"


class ForeignScales(support.Test):
    def convert(self, tensors, *options):
        support.save(self.folder / "model.safetensors", tensors)
        return support.convert(self.folder / "model.safetensors", self.folder / "out.safetensors", "--force", "--simple", *options)

    def setUp(self):
        super().setUp()
        weight = RNG.standard_normal((256, 256)).astype(np.float32)
        self.codes = support.narrow(weight * 448 / np.abs(weight).max(), "F8_E4M3")
        self.scale = support.narrow(np.float32(np.abs(weight).max() / 448 * 0.02), "F32")

    def test_other_spellings_are_refused(self):
        for name in ("blocks.0.attn.q_proj_scale", "blocks.0.attn.q_proj_weight_scale", "blocks.0.attn.q_proj.weight_scaling_factor", "blocks.0.attn.q_proj_scale_inv",
                     "blocks.0.attn.q_proj.weight.scale", "scales.blocks.0.attn.q_proj", "blocks_0_attn_q_proj_amax"):
            for dtype in ("F8_E4M3", "F8_E5M2"):
                codes = (dtype, *self.codes[1:])
                with self.assertRaisesRegex(AssertionError, f"status 2(.|\n)*what '{name}' says of it is not known; convert the original model"):
                    self.convert({LAYER + ".weight": codes, name: self.scale, "blocks.1.k.weight": support.narrow(np.ones((256, 256)), "BF16")}, "--requantize")

    def test_the_advice_works(self):
        tensors = {LAYER + ".weight": self.codes, LAYER + "_scale": self.scale, "blocks.1.k.weight": support.narrow(RNG.standard_normal((256, 256)), "BF16")}
        self.convert(tensors, "--requantize", "--exclude-layers", "q_proj")
        file = support.File(self.folder / "out.safetensors")
        for name in (LAYER + ".weight", LAYER + "_scale"):
            self.assertEqual(file.tensors[name], tensors[name])

    def test_scales_of_others_do_not_count(self):
        others = {name: self.scale for name in ("blocks.0.attn.q_norm.scale", "blocks.0.attn.q_proj_input_scale", "blocks.0.attn_scale", "blocks.0.attn.q_proj2_scale")}
        self.convert({LAYER + ".weight": self.codes, **others}, "--requantize")
        stored = support.dequantize(support.File(self.folder / "out.safetensors"), LAYER, 256)
        right = support.widen(np.frombuffer(self.codes[2], np.uint8).reshape(256, 256), "F8_E4M3")
        self.assertGreater(support.sqnr(right, stored), 35.0)


if __name__ == "__main__":
    support.main()
