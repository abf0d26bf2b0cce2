"""LoRAs whose alpha and rank stand outside their tensors: W + factor B A in FP64 beside the merged weight, the places named, conflicts refused."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

KEY = "blocks.0.ffn.0"
RANK = 16


class Loras(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(11)
        normal = lambda *shape: random.standard_normal(shape).astype(np.float32)
        self.model, self.target = self.folder / "model.safetensors", self.folder / "out.safetensors"
        self.weights = {f"blocks.{i}.ffn.0": normal(192, 128) * np.float32(0.02) for i in range(3)}
        self.down = {layer: normal(RANK, 128) * np.float32(0.1) for layer in self.weights}
        self.up = {layer: normal(192, RANK) * np.float32(0.1) for layer in self.weights}
        support.save(self.model, {f"{layer}.weight": support.narrow(w, "F32") for layer, w in self.weights.items()})

    def pairs(self, *layers, prefix="", spelling=("lora_A", "lora_B"), underscored=False):
        tensors = {}
        for layer in layers or [KEY]:
            name = prefix + (layer.replace(".", "_") if underscored else layer)
            tensors[f"{name}.{spelling[0]}.weight"] = support.narrow(self.down[layer], "F32")
            tensors[f"{name}.{spelling[1]}.weight"] = support.narrow(self.up[layer], "F32")
        return tensors

    def kohya(self, *layers, alpha=None):
        tensors = self.pairs(*layers, prefix="lora_unet_", spelling=("lora_down", "lora_up"), underscored=True)
        for layer in layers or [KEY]:
            if alpha is not None:
                tensors[f"lora_unet_{layer.replace('.', '_')}.alpha"] = support.narrow(np.float32(alpha), "F32")
        return tensors

    def save(self, tensors, metadata=None, config=None, name="lora.safetensors"):
        support.save(self.folder / name, tensors, metadata)
        beside = self.folder / "adapter_config.json"
        beside.unlink(missing_ok=True)
        if config is not None:
            beside.write_text(json.dumps(config))
        return self.folder / name

    def run_converter(self, *options):
        command = [support.CONVERTER, "--progress", "none", "-i", self.model, "-o", self.target, "--force", "--simple", *options]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def merged(self, *options):
        """What the run said, and the weights that the output stands for: they are left in FP32."""
        code, said = self.run_converter("--preset", "none", "--exclude-layers", "blocks", *options)
        self.assertEqual(code, 0, said)
        return said, {layer: support.File(self.target).floats(layer + ".weight") for layer in self.weights}

    def right(self, layer, factor):
        return self.weights[layer].astype(np.float64) + factor * (self.up[layer].astype(np.float64) @ self.down[layer].astype(np.float64))

    def check(self, lora, factors, *words):
        said, weights = self.merged("--merge-lora", lora)
        for layer, factor in factors.items():
            np.testing.assert_allclose(weights[layer], self.right(layer, factor), atol=2e-5, err_msg=said)
        for word in words:
            self.assertIn(word, said)
        return said

    def refuse(self, code, lora, *words, options=()):
        self.target.unlink(missing_ok=True)
        got, said = self.run_converter("--merge-lora", lora, *options)
        self.assertEqual(got, code, said)
        for word in words:
            self.assertIn(word, said)
        self.assertFalse(self.target.exists())
        return said


class Scale(Loras):
    def test_the_headers_of_diffusers(self):
        packed = lambda **said: {"lora_adapter_metadata": json.dumps({f"transformer.{key}": value for key, value in said.items()})}
        said = self.check(self.save(self.pairs(), packed(r=RANK, lora_alpha=64)), {KEY: 4.0},
                          "alpha 64, rank 16, from the header's lora_adapter_metadata: factor 4")
        self.assertNotIn("nothing tells the alpha", said)
        self.check(self.save(self.pairs(), {"transformer.lora_alpha": "64"}), {KEY: 4.0}, "from the header's transformer.lora_alpha")
        self.check(self.save(self.pairs(), packed(r=RANK, lora_alpha=16, use_rslora=True)), {KEY: 4.0}, "rank-stabilised")
        self.check(self.save(self.pairs(prefix="transformer."), packed(r=RANK, lora_alpha=64)), {KEY: 4.0})
        by_layer = packed(r=RANK, lora_alpha=64, alpha_pattern={"blocks.1.ffn.0": 8})
        self.check(self.save(self.pairs(*self.weights), by_layer), {KEY: 4.0, "blocks.1.ffn.0": 0.5, "blocks.2.ffn.0": 4.0}, "(2 pairs)", "(1 pair)")

    def test_the_configuration_beside_the_file(self):
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 32, "use_rslora": False, "use_dora": False,
                  "alpha_pattern": {r"blocks\.[12]\.ffn\.0": 4}, "rank_pattern": {}}
        self.check(self.save(self.pairs(*self.weights), config=config), {KEY: 2.0, "blocks.1.ffn.0": 0.25, "blocks.2.ffn.0": 0.25},
                   "from the adapter_config.json beside it")
        self.check(self.save(self.pairs(), config={"r": 8, "rank_pattern": {"ffn.0": RANK}, "lora_alpha": 4, "use_rslora": True}), {KEY: 1.0})
        lora, beside = self.save(self.pairs(), config=config), self.folder / "adapter_config.json"
        before, self.target = beside.read_bytes(), beside
        code, said = self.run_converter("--preset", "none", "--merge-lora", lora)
        self.assertEqual(code, 73, said)
        self.assertEqual(beside.read_bytes(), before)

    def test_tensors_and_records_of_trainings(self):
        record = {"ss_network_dim": str(RANK), "ss_network_alpha": "8.0", "ss_network_module": "networks.lora"}
        self.check(self.save(self.kohya(alpha=8), record), {KEY: 0.5}, "alpha 8, rank 16, from the .alpha tensors")
        self.check(self.save(self.kohya(), record), {KEY: 0.5}, "from the header's ss_network_alpha")
        self.check(self.save(self.kohya(), {"ot_config": json.dumps({"lora_rank": RANK, "lora_alpha": 4.0})}), {KEY: 0.25}, "ot_config")
        said = self.check(self.save(self.pairs(), record), {KEY: 1.0}, "warning:", "ss_network_alpha is 8 for rank 16")
        self.assertIn("nothing tells the alpha", said)

    def test_an_assumed_scale_is_said_and_the_advice_works(self):
        lora = self.save(self.pairs())
        self.check(lora, {KEY: 1.0}, "warning:", "nothing tells the alpha of its pairs", "alpha / rank as its strength", "--merge-lora-alpha rank",
                   "rank 16, alpha taken to be the same: factor 1")
        _, weights = self.merged("--merge-lora", f"{lora}:4")
        np.testing.assert_allclose(weights[KEY], self.right(KEY, 4.0), atol=2e-5)
        for options, expected in (((), 2), (("--merge-lora-alpha", "rank"), 0)):
            code, said = self.run_converter("--preset", "none", "--merge-lora", lora, "--strict", *options)
            self.assertEqual(code, expected, said)

    def test_conflicts_are_refused_with_both_values_and_the_advice_works(self):
        tensors = self.pairs()
        tensors[KEY + ".alpha"] = support.narrow(np.float32(8), "F32")
        lora = self.save(tensors, {"transformer.lora_alpha": "64"})
        self.refuse(65, lora, "alpha 8, rank 16, from the .alpha tensors: factor 0.5", "alpha 64, rank 16", "factor 4",
                    "--merge-lora-alpha tensors or --merge-lora-alpha header")
        for place, factor in (("tensors", 0.5), ("header", 4.0), ("rank", 1.0)):
            _, weights = self.merged("--merge-lora", lora, "--merge-lora-alpha", place)
            np.testing.assert_allclose(weights[KEY], self.right(KEY, factor), atol=2e-5)
        lora = self.save(self.pairs(), {"lora_adapter_metadata": json.dumps({"transformer.r": RANK, "transformer.lora_alpha": 64})},
                         config={"r": RANK, "lora_alpha": 32})
        self.refuse(65, lora, "alpha 64", "alpha 32", "--merge-lora-alpha header or --merge-lora-alpha config")
        lora = self.save(self.pairs(), config={"r": 8, "lora_alpha": 32})
        self.refuse(65, lora, "has rank 16", "says 8", "--merge-lora-alpha tensors")

    def test_what_is_not_understood_is_refused_by_its_name(self):
        for said, word in (({"peft_type": "VERA"}, "peft_type 'VERA'"), ({"use_dora": True}, "use_dora"), ({"use_qalora": True}, "use_qalora"),
                           ({"init_lora_weights": "pissa"}, "'pissa'")):
            config = {"r": RANK, "lora_alpha": 32, **said}
            self.refuse(65, self.save(self.pairs(), config=config), word, "adapter_config.json")
            header = {"lora_adapter_metadata": json.dumps({f"unet.{key}": value for key, value in config.items()})}
            self.refuse(65, self.save(self.pairs(), header), word, "lora_adapter_metadata")
        self.refuse(2, self.save(self.pairs()), "there is no", "adapter_config.json", options=("--merge-lora-alpha", "config"))


class Unused(Loras):
    def test_a_file_of_which_nothing_is_used_is_an_error_that_shows_names(self):
        strange = {name.replace("ffn.0", "mlp.up"): t for name, t in self.pairs(*self.weights).items()}
        lora = self.save(strange)
        for options in ((), ("--merge-lora-lenient",)):
            said = self.refuse(65, lora, "nothing of it is used", "'blocks.0.mlp.up.lora_A.weight', 'blocks.1.mlp.up.lora_A.weight'",
                               "the nearest layers of the model are 'blocks.0.ffn.0', 'blocks.1.ffn.0'", options=options)
            self.assertNotIn("--merge-lora-lenient", said)
        empty = self.save({}, {"format": "pt"})
        for flag in ("--merge-lora", "--calibration-lora"):
            code, said = self.run_converter(flag, empty, "--optimizer", "none")
            self.assertEqual(code, 65, said)
            self.assertIn("holds no tensor", said)
        self.save(strange)
        code, said = self.run_converter("--calibration-lora", lora, "--optimizer", "none")
        self.assertEqual(code, 65, said)
        self.assertIn("the nearest layers of the model are 'blocks.0.ffn.0', 'blocks.1.ffn.0'", said)

    def test_lenient_is_advised_where_most_keys_match_and_works(self):
        other = self.pairs("blocks.0.ffn.0")
        stray = {"te.layers.0.q" + name.removeprefix(KEY): t for name, t in other.items()}
        lora = self.save({**self.pairs(*self.weights), **stray})
        self.refuse(2, lora, "1 LoRA key matches nothing", "--merge-lora-lenient")
        _, weights = self.merged("--merge-lora", lora, "--merge-lora-lenient")
        for layer in self.weights:
            np.testing.assert_allclose(weights[layer], self.right(layer, 1.0), atol=2e-5)
        few = self.save({**other, **stray, **{name.replace("q.", "k."): t for name, t in stray.items()}})
        said = self.refuse(2, few, "2 LoRA keys match nothing", "trained for this model")
        self.assertNotIn("--merge-lora-lenient", said)


class Dampened(Loras):
    def test_the_summary_tells_the_factors_of_each_and_that_order_matters(self):
        first, second = self.save(self.pairs(), name="a.safetensors"), self.save(self.pairs("blocks.1.ffn.0"), name="b.safetensors")
        said, weights = self.merged("--merge-loras", first, f"{second}:0.5")
        np.testing.assert_allclose(weights["blocks.1.ffn.0"], self.right("blocks.1.ffn.0", 0.45), atol=2e-5)
        self.assertIn("0.5 x 0.9 for the second of several: --no-merge-lora-dampen", said)
        self.assertIn("the order of the LoRAs matters", said)
        said, weights = self.merged("--merge-loras", f"{second}:0.5", first)
        np.testing.assert_allclose(weights["blocks.1.ffn.0"], self.right("blocks.1.ffn.0", 0.5), atol=2e-5)
        np.testing.assert_allclose(weights[KEY], self.right(KEY, 0.9), atol=2e-5)
        said, weights = self.merged("--merge-loras", first, f"{second}:0.5", "--no-merge-lora-dampen", "--merge-lora-scale", "0.5")
        np.testing.assert_allclose(weights["blocks.1.ffn.0"], self.right("blocks.1.ffn.0", 0.25), atol=2e-5)
        self.assertIn("with strength 0.5 x 0.5 of --merge-lora-scale into 1 layer", said)
        self.assertNotIn("the order of the LoRAs", said)


if __name__ == "__main__":
    support.main()
