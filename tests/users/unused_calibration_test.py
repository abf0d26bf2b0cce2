"""Calibration data and layer configurations of which nothing is used: an error that shows names of the file and the nearest of the model."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import support  # noqa: E402
from support import np  # noqa: E402

SIDE = 256
LAYERS = [f"blocks.{i}.attn.{part}" for i in range(2) for part in ("q", "out")]
AXIS = ("--comfy_quant", "--scaling_mode", "axis")


class Scene(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(12)
        self.model, self.data = self.folder / "model.safetensors", self.folder / "data.safetensors"
        tensors = {layer + ".weight": support.narrow(random.standard_normal((SIDE, SIDE)), "F32") for layer in LAYERS}
        support.save(self.model, {**tensors, "blocks.0.norm.weight": support.narrow(np.ones(SIDE), "F32")})
        self.rows = support.narrow(random.standard_normal((600, SIDE)), "F32")

    def run_converter(self, *options):
        """(status, what was printed, the bytes of the output or None)."""
        target = self.folder / "out.safetensors"
        done = subprocess.run([support.CONVERTER, "--progress", "none", "-i", self.model, "-o", target, "--force", *AXIS, *map(str, options)],
                              capture_output=True, text=True)
        made = target.read_bytes() if target.exists() else None
        target.unlink(missing_ok=True)
        return done.returncode, done.stdout + done.stderr, made


class UnusedCalibration(Scene):
    def with_names(self, names, *options, path=None):
        support.save(path or self.data, {name + ".input": self.rows for name in names})
        return self.run_converter("--calibration-data", path or self.data, *options)

    def test_names_behind_the_wrappers_of_torch_are_those_of_the_layers(self):
        _, _, right = self.with_names(LAYERS)
        for wrapped in ("module.{}", "_orig_mod.{}", "module._orig_mod.{}", "_orig_mod.module.{}", "module.module.{}",
                        "_fsdp_wrapped_module.{}", "module.transformer.{}", "model.diffusion_model._orig_mod.{}"):
            with self.subTest(wrapped):
                status, said, made = self.with_names([wrapped.format(layer) for layer in LAYERS])
                self.assertEqual(status, 0, said)
                self.assertNotIn("no quantized layer uses", said)
                self.assertTrue(made == right)
        status, said, made = self.with_names([layer.replace(".attn", "._orig_mod.attn._checkpoint_wrapped_module") for layer in LAYERS])
        self.assertEqual(status, 0, said)
        self.assertTrue(made == right)

    def test_names_that_fit_no_layer_are_refused_with_the_nearest_and_fit_once_they_are_renamed(self):
        names = ["layers.0.attn.q", "layers.1.attn.out"]
        for options in ((), ("--dry-run",)):
            status, said, made = self.with_names(names, *options)
            self.assertEqual(status, 65, said)
            self.assertIsNone(made)
            self.assertEqual(said.count("error: "), 1)
            for name in (*names, "blocks.0.attn.q", "blocks.1.attn.out", str(self.data)):
                self.assertIn(f"'{name}'", said)
        status, said, made = self.with_names([name.replace("layers", "blocks") for name in names])
        self.assertEqual(status, 0, said)

    def test_one_name_that_fits_is_enough_and_the_others_are_a_warning(self):
        status, said, _ = self.with_names([LAYERS[0], "elsewhere"])
        self.assertEqual(status, 0, said)
        self.assertRegex(said, "warning: .*no quantized layer uses: elsewhere")

    def test_each_file_is_judged_for_itself(self):
        other = self.folder / "other.safetensors"
        support.save(other, {"elsewhere.input": self.rows})
        support.save(self.data, {LAYERS[0] + ".input": self.rows})
        status, said, _ = self.run_converter("--calibration-data", self.data, other)
        self.assertEqual(status, 65, said)
        self.assertIn(f"nothing of the calibration data '{other}' is used", said)

    def test_json_is_judged_too(self):
        path = self.folder / "scales.json"
        for content, status in (({"layers.0.attn.q": 0.5}, 65), ({LAYERS[0]: 0.5}, 0), ({}, 65)):
            path.write_text(json.dumps(content))
            found, said, _ = self.run_converter("--calibration-data", path)
            self.assertEqual(found, status, said)

    def test_a_file_without_statistics_is_refused(self):
        support.save(self.data, {"blocks.0.attn.q.weight": self.rows})
        status, said, _ = self.run_converter("--calibration-data", self.data)
        self.assertEqual(status, 65, said)
        self.assertIn("holds no `<layer>.input` and no other statistic", said)

    def test_data_of_layers_that_stay_is_refused_and_the_advice_works(self):
        keep = ("--exclude-layers", "attn.out")
        names = [layer for layer in LAYERS if layer.endswith("out")]
        status, said, _ = self.with_names(names, *keep)
        self.assertEqual(status, 65, said)
        self.assertRegex(said, "'blocks.0.attn.out' and 'blocks.1.attn.out', are not quantized; --include-layers chooses them")
        status, said, made = self.with_names(names, *keep, "--include-layers", "attn.out")
        self.assertEqual(status, 0, said)

    def test_aliases_lead_to_what_is_used(self):
        support.save(self.data, {"shared.input": self.rows}, {"aliases": json.dumps({LAYERS[0]: "shared"})})
        status, said, _ = self.run_converter("--calibration-data", self.data)
        self.assertEqual(status, 0, said)


class UnusedLayerConfig(Scene):
    def with_config(self, config, *options):
        path = self.folder / "layers.json"
        path.write_text(json.dumps(config))
        return self.run_converter("--layer-config", path, *options)

    def test_a_configuration_that_matches_nothing_is_refused_with_the_nearest_names(self):
        for config in ({"blocks\\.0\\.attn\\.quer": {"format": "fp16"}, "block\\.1\\.attn\\.out": {"format": "keep"}},
                       {"blocks\\.0\\.attn\\.quer": {"skip": True}, "block\\.1\\.attn\\.out": {"skip": True}}):
            for options in ((), ("--dry-run",)):
                status, said, made = self.with_config(config, *options)
                self.assertEqual(status, 65, said)
                self.assertIsNone(made)
                for name in (*config, "blocks.0.attn.q", "blocks.1.attn.out"):
                    self.assertIn(f"'{name}'", said)
                self.assertIn("--layer-config", said)

    def test_the_nearest_names_work(self):
        status, said, made = self.with_config({"blocks.0.attn.q": {"format": "fp16"}, "blocks.1.attn.out": {"format": "keep"}})
        self.assertEqual(status, 0, said)

    def test_a_default_that_is_used_is_something_and_then_one_idle_expression_is_misuse(self):
        status, said, _ = self.with_config({"_default": {"format": "fp16"}, "nowhere": {"format": "keep"}})
        self.assertEqual(status, 2, said)
        self.assertIn("'nowhere' matches no weight", said)
        status, said, _ = self.with_config({"_default": {"format": "fp16"}})
        self.assertEqual(status, 0, said)

    def test_names_of_norms_are_no_weights(self):
        status, said, _ = self.with_config({"norm": {"format": "fp16"}})
        self.assertEqual(status, 65, said)
        self.assertIn("'norm'", said)


if __name__ == "__main__":
    support.main()
