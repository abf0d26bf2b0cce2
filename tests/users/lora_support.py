"""What the tests of LoRAs share: small models, adapters, and the weights that a merge leaves behind in FP32."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np


def f32(values):
    return support.narrow(values, "F32")


class Loras(support.Test):
    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(13)
        self.model, self.target = self.folder / "model.safetensors", self.folder / "out.safetensors"
        self.weights = {}

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def make_model(self, shapes, prefix=""):
        self.weights = {prefix + name: self.normal(*shape) for name, shape in shapes.items()}
        support.save(self.model, {name: f32(w) for name, w in self.weights.items()})

    def save(self, tensors, name="lora.safetensors"):
        support.save(self.folder / name, {key: f32(value) for key, value in tensors.items()})
        return self.folder / name

    def run_converter(self, *options):
        command = [support.CONVERTER, "--progress", "none", "-i", self.model, "-o", self.target, "--force", *options]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def merged(self, lora, *options, strength=""):
        """Every tensor of the merged model, left as it is but for the LoRA."""
        code, said = self.run_converter("--simple", "--preset", "none", "--exclude-layers", ".", "--merge-lora", f"{lora}{strength}",
                                        *options)
        self.assertEqual(code, 0, said)
        file = support.File(self.target)
        return {name: file.floats(name) for name in self.weights}

    def refused(self, lora, *options):
        self.target.unlink(missing_ok=True)
        code, said = self.run_converter("--simple", "--merge-lora", lora, *options)
        self.assertNotEqual(code, 0, said)
        self.assertFalse(self.target.exists())
        return code, said

    def assert_merged(self, found, right):
        """`right` maps names to FP64 weights; what it lacks stays as it was. FP32 sums of few products: within 2e-6 of the largest."""
        for name, before in self.weights.items():
            if name not in right:
                np.testing.assert_array_equal(found[name], before, name)
                continue
            error = np.abs(found[name].astype(np.float64) - right[name]).max() / np.abs(right[name]).max()
            self.assertLess(error, 2e-6, name)
            self.assertGreater(np.abs(right[name] - before).max(), 0.01, f"{name}: the test changes nothing")
