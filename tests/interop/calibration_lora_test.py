"""--calibration-lora: rounding for the directions that a LoRA reads, against H = I + A^T A / mean diag(A^T A) in numpy."""
import json

import support
from support import np

LAYERS = {"blocks.0.attn.qkv": (384, 256), "blocks.0.mlp.up": (512, 320), "blocks.1.mlp.up": (512, 320), "blocks.1.mlp.down": (320, 512)}
INFORMED = ("blocks.0.attn.qkv", "blocks.0.mlp.up", "blocks.1.mlp.down")
RANK = 8


class CalibrationLora(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(3)
        self.model, self.target = self.folder / "model.safetensors", self.folder / "out.safetensors"
        self.weights = {layer: random.standard_t(5, shape).astype(np.float32) / 16 for layer, shape in LAYERS.items()}
        support.save(self.model, {layer + ".weight": support.narrow(w, "F32") for layer, w in self.weights.items()})
        self.down = {layer: random.standard_normal((RANK, LAYERS[layer][1])).astype(np.float32) for layer in INFORMED}
        self.lora = self.save("lora.safetensors", self.down)

    def save(self, name, down, prefix="diffusion_model."):
        tensors = {}
        for layer, a in down.items():
            tensors[prefix + layer + ".lora_A.weight"] = support.narrow(a, "F32")
            tensors[prefix + layer + ".lora_B.weight"] = support.narrow(np.ones((LAYERS.get(layer, (4,))[0], len(a))), "BF16")
        support.save(self.folder / name, tensors)
        return self.folder / name

    def convert(self, *options):
        said = support.convert(self.model, self.target, "--force", "--preset", "none", *options)
        return support.File(self.target), said

    def loss(self, file, layer):
        """tr(E H E^T) of the stored bytes, in dB."""
        error = support.dequantize(file, layer, support.rotation_of(file, layer)) - self.weights[layer]
        a = self.down[layer].astype(np.float64)
        return 10 * np.log10(np.sum(error**2) + np.sum((error @ a.T) ** 2) / np.mean(np.sum(a**2, 0)))

    def test_the_weighted_error_falls_for_every_kind_of_scales(self):
        for mode in (("axis",), ("axis", "--convrot", "--convrot-group-size", "64"), ("tensor",), ("block", "--block_size", "64")):
            options = ("--comfy_quant", "--scaling_mode", *mode)
            nearest, _ = self.convert(*options, "--simple")
            free, _ = self.convert(*options)
            informed, _ = self.convert(*options, "--calibration-lora", self.lora)
            for layer in INFORMED:
                gain = min(self.loss(nearest, layer), self.loss(free, layer)) - self.loss(informed, layer)
                print(f"{' '.join(mode)} {layer}: {gain:.2f} dB of the weighted error")
                self.assertGreater(gain, 1.5, (mode, layer))
            self.assertEqual(informed.tensors["blocks.1.mlp.up.weight"], free.tensors["blocks.1.mlp.up.weight"], mode)

    def test_codes_depend_on_what_the_file_holds_and_on_nothing_else(self):
        options = ("--comfy_quant", "--scaling_mode", "axis", "--calibration-lora")
        file, _ = self.convert(*options, self.lora)
        again, _ = self.convert(*options, self.lora, "--threads", "1")
        self.assertEqual(file.tensors, again.tensors)
        random = np.random.default_rng(4)
        other, _ = self.convert(*options, self.save("other.safetensors", {n: random.standard_normal(a.shape) for n, a in self.down.items()}))
        larger, _ = self.convert(*options, self.save("larger.safetensors", {n: 4 * a for n, a in self.down.items()}))
        for layer in INFORMED:
            self.assertNotEqual(other.tensors[layer + ".weight"], file.tensors[layer + ".weight"])
            self.assertEqual(larger.tensors[layer + ".weight"], file.tensors[layer + ".weight"])

    def test_gptq_and_quip_take_it_and_the_report_says_which_layers_it_informed(self):
        for options in (("--optimizer", "gptq", "--scaling_mode", "axis"), ("--optimizer", "quip"), ("--scaling_mode", "axis"),
                        ("--optimizer", "quip", "--quip-store-transformed", "--recipe", "engine")):
            report = self.folder / "report.json"
            markers = () if "engine" in options else ("--comfy_quant",)
            _, said = self.convert(*markers, *options, "--calibration-lora", self.lora, "--report-quality", report)
            self.assertIn("informs 3 layers whose inputs are not known", said)
            self.assertNotIn("rounds to nearest here", said)
            made = json.loads(report.read_text())
            methods = {layer["name"]: layer["method"] for layer in made["layers"]}
            for layer in LAYERS:
                self.assertEqual("on a LoRA's directions" in methods[layer], layer in INFORMED, (options, methods))

    def test_transformed_storage_is_solved_in_its_own_basis(self):
        options = ("--recipe", "engine", "--scaling_mode", "axis", "--optimizer", "quip", "--quip-store-transformed", "--manual_seed", "1")
        losses = []
        for more in ((), ("--calibration-lora", self.lora)):
            file, _ = self.convert(*options, *more)
            error = self.untransformed(file, "blocks.0.attn.qkv") - self.weights["blocks.0.attn.qkv"]
            a = self.down["blocks.0.attn.qkv"].astype(np.float64)
            losses.append(10 * np.log10(np.sum(error**2) + np.sum((error @ a.T) ** 2) / np.mean(np.sum(a**2, 0))))
        self.assertGreater(losses[0] - losses[1], 1.5)

    def untransformed(self, file, layer):
        def sylvester(n):
            h = np.ones((1, 1))
            while len(h) < n:
                h = np.block([[h, h], [h, -h]])
            return h / n**0.5
        codes = support.dequantize(file, layer)
        w = sylvester(len(codes)) @ codes @ sylvester(codes.shape[1])
        w = w * file.raw(layer + ".sign_row")[:, None] * file.raw(layer + ".sign_col")
        rows, columns = LAYERS[layer]
        return w[:rows, :columns]

    def test_layers_with_statistics_use_those(self):
        x = np.random.default_rng(5).standard_normal((900, 256)) * np.linspace(0.2, 3, 256)
        data = self.folder / "inputs.safetensors"
        support.save(data, {"blocks.0.attn.qkv.input": support.narrow(x, "F32")})
        options = ("--comfy_quant", "--scaling_mode", "axis", "--calibration-data", data)
        known, _ = self.convert(*options)
        both, said = self.convert(*options, "--calibration-lora", self.lora)
        self.assertIn("informs 2 layers whose inputs are not known", said)
        self.assertEqual(known.tensors["blocks.0.attn.qkv.weight"], both.tensors["blocks.0.attn.qkv.weight"])
        self.assertNotEqual(known.tensors["blocks.0.mlp.up.weight"], both.tensors["blocks.0.mlp.up.weight"])

    def test_what_it_does_not_change_is_said(self):
        for options, why in ((("--simple",), "--simple rounds to nearest"), (("--optimizer", "coordinate"), "takes no second moments"),
                             (("--optimizer", "none"), "takes no second moments")):
            options = ("--comfy_quant", "--scaling_mode", "axis", *options)
            with_lora, said = self.convert(*options, "--calibration-lora", self.lora)
            self.assertRegex(said, f"note: --calibration-lora changes nothing here: .*{why}")
            self.assertEqual(with_lora.tensors, self.convert(*options)[0].tensors)
        stranger = self.save("stranger.safetensors", {"text.q": np.ones((2, 8)), **self.down})
        self.assertRegex(self.convert("--calibration-lora", stranger)[1], "warning: the directions of the LoRA .* no layer.*text.q")

    def test_files_that_cannot_be_used_are_refused_and_none_is_overwritten(self):
        def refusal(*options, target=self.target):
            with self.assertRaises(AssertionError) as failed:
                support.convert(self.model, target, "--force", "--preset", "none", *options)
            self.assertFalse(self.target.exists())
            return str(failed.exception)
        self.assertIn("status 66", refusal("--calibration-lora", self.folder / "nowhere.safetensors"))
        wrong = self.save("wrong.safetensors", {"blocks.0.attn.qkv": np.ones((2, 128))})
        self.assertRegex(refusal("--calibration-lora", wrong), r"status 65.*\n(.*\n)*.*\[2, 128\] does not fit")
        nan = self.save("nan.safetensors", {"blocks.0.attn.qkv": np.full((2, 256), np.nan)})
        self.assertRegex(refusal("--calibration-lora", nan), "status 65.*\n(.*\n)*.*NaN or infinity")
        stranger = self.save("stranger.safetensors", {"text.q": np.ones((2, 8)), **self.down})
        self.assertIn("status 2", refusal("--strict", "--calibration-lora", stranger))
        before = self.lora.read_bytes()
        self.assertIn("status 73", refusal("--calibration-lora", self.lora, target=self.lora))
        self.assertEqual(self.lora.read_bytes(), before)


if __name__ == "__main__":
    support.main()
