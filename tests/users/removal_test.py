"""A family that is recognised removes nothing of other parts of the file, and nothing without a warning that lists what goes."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

RNG = np.random.default_rng(6)


def t5(prefix):
    names = ["shared", "encoder.block.0.layer.0.SelfAttention.q", "encoder.block.0.layer.1.DenseReluDense.wo"]
    return [prefix + name + ".weight" for name in names]


def decoder(prefix):
    return [prefix + name + ".weight" for name in ("decoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.0.norm", "lm_head")]


class Removal(support.Test):
    def convert(self, names, *options):
        shapes = {name: (256,) if "norm" in name else (256, 256) for name in names}
        self.tensors = {n: support.narrow(RNG.standard_normal(s).astype(np.float32), "BF16") for n, s in shapes.items()}
        support.save(self.folder / "model.safetensors", self.tensors)
        self.said = support.convert(self.folder / "model.safetensors", self.folder / "out.safetensors", "--force", "--simple", *options)
        return support.File(self.folder / "out.safetensors")

    def test_other_parts_of_the_file_stay(self):
        others = ["vae.decoder.mid.attn_1.q.weight", "vae.decoder.norm_out.weight", "decoder_of_images.0.weight", "clip.lm_head.weight"]
        for prefix in ("", "text_encoders.t5xxl.transformer."):
            file = self.convert(t5(prefix) + decoder(prefix) + others)
            for name in others:
                self.assertEqual(file.tensors[name], self.tensors[name], name)
            for name in decoder(prefix):
                self.assertNotIn(name, file)
            self.assertIn("encoder.block.0.layer.0.SelfAttention.q.comfy_quant", "".join(file.tensors))
            self.assertIn(f"warning: left out of the output: t5xxl removes '{prefix}decoder' (2 tensors, 131 kB), "
                          f"t5xxl removes '{prefix}lm_head' (1 tensor, 131 kB)", self.said)

    def test_a_decoder_in_front_of_the_encoders_prefix_stays(self):
        file = self.convert(t5("a.") + decoder("b."))
        for name in decoder("b."):
            self.assertEqual(file.tensors[name], self.tensors[name], name)
        self.assertNotIn("left out", self.said)

    def test_the_advice_works(self):
        for options in (("--exclude-layers", "decoder|lm_head"), ("--preset", "none")):
            file = self.convert(t5("") + decoder(""), *options)
            for name in decoder(""):
                self.assertIn(name, file)
            self.assertNotIn("left out", self.said)
        with self.assertRaisesRegex(AssertionError, "status 2(.|\n)*left out of the output.*--preset"):
            self.convert(t5("") + decoder(""), "--strict")
        self.assertNotIn("decoder.block.0.layer.0.norm.weight", self.convert(t5("") + decoder(""), "--strict", "--preset", "t5xxl"))
        self.assertIn("note: left out of the output, as asked: t5xxl removes 'decoder' (2 tensors", self.said)


if __name__ == "__main__":
    support.main()
