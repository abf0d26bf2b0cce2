"""What `calibrate` writes of captured rows, against numpy, and what the converter makes of it."""
import json
import os
import subprocess
import unittest

import support
from support import np

CALIBRATE = support.CONVERTER.with_name("calibrate")
COLUMNS = {"blocks.0.attn.q": 256, "blocks.0.mlp.up": 320}
ALIASES = {"blocks.0.attn.k": "blocks.0.attn.q"}


def calibrate(*arguments):
    done = subprocess.run([CALIBRATE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"status {done.returncode}: {done.args}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Calibrate(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(1)
        self.rows = {layer: random.standard_normal((900, n)) @ (np.eye(n) + 2 * random.standard_normal((n, n)) / n**0.5) + 0.1
                     for layer, n in COLUMNS.items()}
        self.parts = [self.save("a.safetensors", slice(0, 500), "BF16"), self.save("b.safetensors", slice(500, 900), "F16")]
        seen = [support.File(part) for part in self.parts]
        self.rows = {layer: np.concatenate([f.floats(layer + ".input") for f in seen]).astype(np.float64) for layer in COLUMNS}
        self.model = self.folder / "model.safetensors"
        tensors = {layer + ".weight": support.narrow(random.standard_normal((384, n)) / n**0.5, "F32") for layer, n in COLUMNS.items()}
        tensors["blocks.0.attn.k.weight"] = support.narrow(random.standard_normal((384, 256)) / 16, "F32")
        tensors["blocks.0.attn.q.bias"] = support.narrow(np.zeros(384), "F32")
        support.save(self.model, tensors)

    def save(self, name, which, dtype):
        support.save(self.folder / name, {layer + ".input": support.narrow(x[which], dtype) for layer, x in self.rows.items()},
                     {"aliases": json.dumps(ALIASES), "source": "captured"})
        return self.folder / name

    def made(self, name, *arguments):
        said = calibrate("-o", self.folder / name, *arguments)
        return support.File(self.folder / name), said

    def refusal(self, status, *arguments):
        done = subprocess.run([CALIBRATE, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, "(?m)^calibrate: error: [^\n]+\n$")
        self.assertEqual(sorted(f.name for f in self.folder.iterdir() if "out" in f.name), [])
        return done.stderr

    def assert_statistics(self, file):
        self.assertEqual(json.loads(file.metadata["aliases"]), ALIASES)
        self.assertEqual(file.metadata["source"], "captured")
        for layer, x in self.rows.items():
            hessian = x.T @ x
            self.assertEqual(file.tensors[layer + ".count"][:2], ("I64", ()))
            self.assertEqual(int(file.raw(layer + ".count")), len(x))
            self.assertLess(np.max(np.abs(file.raw(layer + ".hessian") - hessian)), 3e-6 * np.max(hessian))
            self.assertTrue(np.array_equal(file.raw(layer + ".hessian"), file.raw(layer + ".hessian").T))
            self.assertTrue(np.array_equal(file.raw(layer + ".channel_max"), np.max(np.abs(x), 0).astype(np.float32)))
            self.assertTrue(np.allclose(file.raw(layer + ".channel_mean"), x.mean(0), rtol=1e-6, atol=1e-8))
            self.assertTrue(np.allclose(file.raw(layer + ".channel_sq"), (x**2).mean(0), rtol=1e-6))
            self.assertEqual(file.tensors[layer + ".input_scale"][:2], ("F32", ()))
            self.assertAlmostEqual(float(file.raw(layer + ".input_scale")), np.max(np.abs(x)) / 127, places=8)

    def test_statistics_of_all_rows_of_several_captures_equal_numpys(self):
        file, _ = self.made("out.safetensors", "--merge", "-i", *self.parts)
        self.assert_statistics(file)
        self.assertFalse([n for n in file.tensors if n.endswith(".input")])

    def test_statistics_of_earlier_runs_merge_to_those_of_all_rows(self):
        self.made("1.safetensors", self.parts[0])
        self.made("2.safetensors", self.parts[1], "--keep-inputs")
        for second in (self.folder / "2.safetensors", self.parts[1]):
            file, _ = self.made("out.safetensors", "--force", "--merge", self.folder / "1.safetensors", second)
            self.assert_statistics(file)

    def test_the_same_bytes_for_every_number_of_threads(self):
        made = []
        for threads in (1, 2, 5):
            self.made(f"{threads}.safetensors", "--merge", "--keep-inputs", "--threads", threads, "-i", *self.parts)
            made.append((self.folder / f"{threads}.safetensors").read_bytes())
        self.assertTrue(made[0] == made[1] == made[2])

    def test_rows_are_kept_on_request_in_their_type_or_in_one_that_holds_all(self):
        file, _ = self.made("same.safetensors", "--keep-inputs", "--no-hessian", self.parts[0])
        for layer in COLUMNS:
            self.assertEqual(file.tensors[layer + ".input"], support.File(self.parts[0]).tensors[layer + ".input"])
            self.assertNotIn(layer + ".hessian", file)
        file, _ = self.made("both.safetensors", "--keep-inputs", "--merge", *self.parts)
        for layer, x in self.rows.items():
            self.assertTrue(np.array_equal(file.raw(layer + ".input"), x.astype(np.float32)))

    def test_a_dry_run_says_sizes_and_writes_nothing(self):
        said = calibrate("--dry-run", "-o", self.folder / "out.safetensors", self.parts[0])
        self.assertIn("blocks.0.mlp.up: 500 rows of 320 inputs, Hessian of 0.4 MB", said)
        self.assertFalse((self.folder / "out.safetensors").exists())

    def test_fewer_rows_than_inputs_are_noted(self):
        few = self.save("few.safetensors", slice(0, 300), "F32")
        self.assertIn("note: blocks.0.mlp.up has fewer rows than inputs (300, 320)", self.made("out.safetensors", few)[1])

    def test_the_converter_finds_in_them_what_it_finds_in_the_rows(self):
        both = self.folder / "both.safetensors"
        self.made("both.safetensors", "--merge", *self.parts)
        options = ("--preset", "none", "--comfy_quant", "--scaling_mode", "axis")
        support.convert(self.model, self.folder / "free.safetensors", *options)
        said = support.convert(self.model, self.folder / "known.safetensors", *options, "--calibration-data", both,
                               "--report-quality", self.folder / "report.json")
        self.assertNotIn("no quantized layer uses", said)
        free, known = (support.File(self.folder / f) for f in ("free.safetensors", "known.safetensors"))
        original = support.File(self.model)
        for layer in json.loads((self.folder / "report.json").read_text())["layers"]:
            self.assertIn("gptq", layer["method"])
        for layer in (*COLUMNS, *ALIASES):
            x = self.rows[ALIASES.get(layer, layer)]
            x = x - x.mean(0) if layer + ".bias" in original else x
            before, after = (np.sum((x @ (support.dequantize(f, layer) - original.floats(layer + ".weight")).T) ** 2) for f in (free, known))
            self.assertLess(after, 0.8 * before, layer)

    def test_what_cannot_be_counted_is_refused_before_anything_is_written(self):
        out = ("-o", self.folder / "out.safetensors")
        a, b = self.parts
        self.assertIn("--merge", self.refusal(2, *out, a, b))
        self.assertIn("no input", self.refusal(2, *out))
        self.assertIn("--output is required", self.refusal(2, a))
        self.assertIn(".safetensors", self.refusal(2, "-o", self.folder / "out.bin", a))
        self.assertIn("nowhere", self.refusal(66, *out, self.folder / "nowhere.safetensors"))
        self.assertIn("counted twice", self.refusal(65, *out, "--merge", a, a))
        support.save(self.folder / "random.safetensors", {"p.input": support.narrow(np.ones((4, 8)), "F32")}, {"source": "synthetic"})
        self.assertIn("synthetic", self.refusal(65, *out, self.folder / "random.safetensors"))
        support.save(self.folder / "nan.safetensors", {"p.input": support.narrow(np.full((4, 8), np.nan), "F32")})
        self.assertIn("NaN", self.refusal(65, *out, self.folder / "nan.safetensors"))
        self.assertIn("status 65", self.failure("-o", self.folder / "d.safetensors", self.folder / "model.safetensors"))

    def failure(self, *arguments):
        with self.assertRaises(AssertionError) as failed:
            calibrate(*arguments)
        return str(failed.exception)

    def test_synthetic_maxima_are_those_of_normal_rows(self):
        wide = self.folder / "wide.safetensors"
        support.save(wide, {"a.weight": support.narrow(np.ones((2, 20_000)), "F32"), "norm.weight": support.narrow(np.ones(8), "F32")})
        file, _ = self.made("synthetic.safetensors", "--synthetic", "--model", wide, "--samples", 16)
        self.assertEqual((list(file.tensors), file.metadata), (["a.channel_max"], {"source": "synthetic"}))
        drawn = np.abs(np.random.default_rng(2).standard_normal((16, 20_000))).max(0)
        quantiles = np.linspace(0.02, 0.98, 25)
        self.assertLess(np.max(np.abs(np.quantile(file.raw("a.channel_max"), quantiles) - np.quantile(drawn, quantiles))), 0.05)
        other, _ = self.made("other.safetensors", "--synthetic", "--model", wide, "--samples", 16, "--seed", 1)
        self.assertNotEqual(other.tensors, file.tensors)
        down = np.random.default_rng(3).standard_normal((4, 20_000)) * np.linspace(0, 3, 20_000)
        lora = self.folder / "lora.safetensors"
        support.save(lora, {"a.lora_A.weight": support.narrow(down, "F32"), "a.lora_B.weight": support.narrow(np.ones((2, 4)), "F32")})
        informed, said = self.made("informed.safetensors", "--synthetic", "--model", wide, "--samples", 16, "--lora", lora)
        self.assertIn("1 informed by the LoRA", said)
        variance = 1 + np.sum(down**2, 0) / np.mean(np.sum(down**2, 0))
        self.assertTrue(np.allclose(informed.raw("a.channel_max"), file.raw("a.channel_max") * variance**0.5, rtol=1e-5))

    def test_the_converter_takes_synthetic_maxima_for_smoothing_and_for_nothing_else(self):
        self.made("synthetic.safetensors", "--synthetic", "--model", self.model)
        data = ("--calibration-data", self.folder / "synthetic.safetensors")
        options = ("--preset", "none", "--recipe", "engine", "--scaling_mode", "axis")

        def convert(*more):
            said = support.convert(self.model, self.folder / "q.safetensors", "--force", *options, *more)
            return support.File(self.folder / "q.safetensors"), said
        free, _ = convert()
        known, said = convert(*data, "--input_scale")
        self.assertEqual(known.tensors, free.tensors)
        self.assertIn("cannot give 3 layers a static activation scale", said)
        smoothed, _ = convert(*data, "--smoothquant")
        self.assertTrue(all(layer + ".smooth_factors" in smoothed for layer in (*COLUMNS, *ALIASES)))
        self.assertEqual(smoothed.tensors["blocks.0.attn.q.bias"], free.tensors["blocks.0.attn.q.bias"])

    def test_flags_that_make_no_sense_together_are_refused(self):
        out = ("-o", self.folder / "out.safetensors")
        self.assertIn("--model", self.refusal(2, *out, "--synthetic"))
        self.assertIn("contradicts --input", self.refusal(2, *out, "--synthetic", "--model", self.model, self.parts[0]))
        self.assertIn("contradicts --merge", self.refusal(2, *out, "--synthetic", "--model", self.model, "--merge"))
        self.assertIn("belongs to --synthetic", self.refusal(2, *out, self.parts[0], "--lora", self.parts[0]))
        self.assertIn("belongs to --synthetic", self.refusal(2, *out, self.parts[0], "--seed", 3))
        self.assertIn("status 73", self.failure("-o", self.model, "--force", "--synthetic", "--model", self.model))

    def test_neither_an_input_nor_an_existing_file_is_overwritten(self):
        before = self.parts[0].read_bytes()
        self.assertIn("status 73", self.failure("-o", self.parts[0], "--force", self.parts[0]))
        self.assertIn("status 73", self.failure("-o", self.model, self.parts[0]))
        os.link(self.parts[0], self.folder / "link.safetensors")
        self.assertIn("status 73", self.failure("-o", self.folder / "link.safetensors", "--force", self.parts[0]))
        self.assertEqual(self.parts[0].read_bytes(), before)
        self.assertFalse(list(self.folder.glob("*.part")))


if __name__ == "__main__":
    if not CALIBRATE.exists():
        raise unittest.SkipTest(f"no program at {CALIBRATE}")
    support.main()
