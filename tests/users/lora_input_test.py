"""LoRA files as the input: refused with a sentence, or quantized as was asked, without markers; never said to load in ComfyUI."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

SPELLINGS = {"diffusers": ("transformer.", "lora_A", "lora_B"), "kohya": ("lora_unet_", "lora_down", "lora_up")}


class LoraInput(support.Test):
    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(3)
        self.source, self.target = self.folder / "lora.safetensors", self.folder / "out.safetensors"

    def make(self, spelling, alpha=None):
        prefix, down, up = SPELLINGS[spelling]
        self.values = {}
        for i in range(2):
            layer = f"{prefix}blocks_{i}_attn" if prefix.endswith("_") else f"{prefix}blocks.{i}.attn"
            self.values[f"{layer}.{down}.weight"] = (self.random.standard_normal((16, 512)) * 0.1).astype(np.float32)
            self.values[f"{layer}.{up}.weight"] = (self.random.standard_normal((768, 16)) * 0.1).astype(np.float32)
            if alpha is not None:
                self.values[f"{layer}.alpha"] = np.float32(alpha)
        support.save(self.source, {name: support.narrow(value, "F32") for name, value in self.values.items()})

    def run_converter(self, *options):
        command = [support.CONVERTER, "--progress", "none", "-i", self.source, "-o", self.target, "--force", *options]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_it_is_refused_with_what_to_do(self):
        for spelling in SPELLINGS:
            self.make(spelling)
            for options in ((), ("--comfy_quant",), ("--preset", "none"), ("--scaling_mode", "tensor"), ("--fp8",), ("--dry-run",)):
                code, said = self.run_converter(*options)
                self.assertEqual(code, 2, said)
                for word in ("the input is a LoRA", "no version of ComfyUI loads it quantized", "--merge-lora", "--lora", "--fp16"):
                    self.assertIn(word, said)
                self.assertFalse(self.target.exists())

    def test_with_the_flag_its_matrices_are_quantized_without_markers(self):
        for spelling in SPELLINGS:
            self.make(spelling, alpha=8.0)
            code, said = self.run_converter("--lora", "--simple")
            self.assertEqual(code, 0, said)
            self.assertIn("no version of ComfyUI loads", said)
            self.assertNotIn("loads in stock", said)
            file = support.File(self.target)
            self.assertEqual([name for name in file.tensors if name.endswith((".comfy_quant", ".weight_scale"))], [])
            for name, value in self.values.items():
                if name.endswith(".alpha"):
                    self.assertEqual(file.tensors[name], support.narrow(value, "F32"))
                    continue
                self.assertEqual(file.tensors[name][0], "I8", name)
                layer = name.removesuffix(".weight")
                scale = file.raw(layer + ".scale_weight").astype(np.float64)
                np.testing.assert_allclose(scale.reshape(-1, 1), np.abs(value).max(1, keepdims=True) / 127, rtol=1e-6)
                self.assertGreater(support.sqnr(value, support.dequantize(file, layer)), 35)

    def test_the_advice_works(self):
        self.make("diffusers")
        for options in (("--comfy_quant",), ("--recipe", "comfyui")):
            code, said = self.run_converter("--lora", *options)
            self.assertEqual(code, 2, said)
            self.assertIn("--recipe engine", said)
        code, said = self.run_converter("--lora", "--recipe", "engine", "--block_size", "16")
        self.assertEqual(code, 0, said)
        self.assertIn("no version of ComfyUI loads", said)
        code, said = self.run_converter("--fp16")
        self.assertEqual(code, 0, said)
        self.assertEqual({t[0] for t in support.File(self.target).tensors.values()}, {"F16"})

    def test_a_quantized_lora_is_not_merged_as_if_its_codes_were_numbers(self):
        self.make("diffusers")
        code, said = self.run_converter("--lora")
        self.assertEqual(code, 0, said)
        support.save(self.folder / "model.safetensors", {f"blocks.{i}.attn.weight": support.narrow(np.ones((768, 512)), "F32") for i in range(2)})
        command = [support.CONVERTER, "--progress", "none", "-i", self.folder / "model.safetensors", "-o", self.folder / "merged.safetensors", "--merge-lora", self.target]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 65, done.stderr)


if __name__ == "__main__":
    support.main()
