"""Where almost nothing is quantized, or layers hold nothing, the user hears of it: shares, the biggest tensors, banks, names."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

RNG = np.random.default_rng(7)


def random(*shape, dtype="BF16"):
    return support.narrow(RNG.standard_normal(shape).astype(np.float32) * 0.02, dtype)


class SmallShare(support.Test):
    def convert(self, tensors, *options):
        support.save(self.folder / "model.safetensors", tensors)
        self.said = support.convert(self.folder / "model.safetensors", self.folder / "out.safetensors", "--force", "--simple", *options)
        return support.File(self.folder / "out.safetensors")

    def test_banks_of_experts(self):
        attention = {f"model.layers.{i}.self_attn.q_proj.weight": random(256, 256) for i in range(2)}
        banks = {f"model.layers.{i}.mlp.experts.gate_up_proj": random(16, 256, 256) for i in range(2)}
        file = self.convert({**attention, **banks, "model.layers.0.mlp.router.weight": random(16, 256)})
        self.assertEqual(len(file.layers()), 2)
        for name, tensor in banks.items():
            self.assertEqual(file.tensors[name], tensor)
        share = 2 * 256 * 256 / (2 * 256 * 256 + 2 * 16 * 256 * 256 + 16 * 256)
        self.assertIn(f"warning: almost nothing is quantized, 262 kB of 4.46 MB ({int(1000 * share) / 10} %); what stays is mostly "
                      "2 of 'model.layers.*.mlp.experts.gate_up_proj' (BF16 [16, 256, 256], an expert bank, not a 2-D weight: 4.19 MB), "
                      "'model.layers.0.mlp.router.weight' (BF16 [16, 256], looks like a router: 8.19 kB)", self.said)

    def test_banks_beside_much_that_is_quantized_are_a_note(self):
        tensors = {f"blocks.{i}.q.weight": random(512, 512) for i in range(4)} | {"blocks.0.moe.w1.weight": random(4, 256, 256)}
        self.convert(tensors)
        self.assertIn("note: 1 bank of experts stays as it is, 524 kB: 'blocks.*.moe.w1.weight'", self.said)
        self.assertNotIn("almost nothing", self.said)
        self.convert(tensors, "--strict")

    def test_packed_inputs(self):
        packed = {f"model.layers.{i}.mlp.down_proj.qweight": ("I32", (128, 512), bytes(128 * 512 * 4)) for i in range(8)}
        with self.assertRaisesRegex(AssertionError, "status 2(.|\n)*almost nothing is quantized.*8 of 'model.layers.\\*.mlp.down_proj.qweight'"):
            self.convert({**packed, "model.layers.0.o.weight": random(256, 256)}, "--strict")

    def test_a_family_that_keeps_all(self):
        self.convert({"a.mlp.up_proj.weight": random(256, 256), "a.mlp.down_proj.weight": random(512, 256)}, "--preset", "visual")
        self.assertIn("warning: no layer is quantized; what stays is mostly 'a.mlp.down_proj.weight' (BF16 [512, 256], visual keeps "
                      "'mlp.down_proj': 262 kB), 'a.mlp.up_proj.weight' (BF16 [256, 256], visual keeps 'mlp.up_proj': 131 kB)", self.said)

    def test_what_flags_keep_is_no_surprise(self):
        tensors = {f"blocks.{i}.q.weight": random(256, 256) for i in range(20)}
        self.convert(tensors, "--exclude-layers", r"blocks\.([1-9]|1\d)\.")
        self.assertNotIn("almost nothing", self.said)

    def test_layers_of_one_number(self):
        usual = {"blocks.0.q.weight": random(256, 256), "blocks.1.q.weight": random(256, 256)}
        odd = {"blocks.2.q.weight": support.narrow(np.zeros((256, 256)), "BF16"), "blocks.3.q.weight": support.narrow(np.full((256, 256), 0.5), "BF16")}
        report = self.folder / "report.json"
        for options in ((), ("--scaling_mode", "tensor", "--comfy_quant"), ("--recipe", "engine")):
            self.convert({**usual, **odd}, "--report-quality", report, *options)
            said, both = self.said, json.loads(report.read_text())
            self.convert(usual, "--report-quality", report, *options)
            alone = json.loads(report.read_text())
            for figure in ("mean_sqnr_db", "median_sqnr_db", "worst"):
                self.assertEqual(both["summary"][figure], alone["summary"][figure], figure)
            self.assertEqual(both["summary"]["layers_of_one_value"], ["blocks.2.q", "blocks.3.q"])
            self.assertIn("2 layers hold one number alone, and count in no mean: 'blocks.2.q' (0), 'blocks.3.q' (0.5)", said)
            self.assertEqual(alone["summary"]["layers_of_one_value"], [])

    def test_nothing_but_zeros(self):
        self.convert({"blocks.0.q.weight": support.narrow(np.zeros((256, 256)), "F16")})
        self.assertIn("1 layer holds one number alone, and counts in no mean: 'blocks.0.q' (0)", self.said)
        self.assertNotIn("0.00 dB", self.said)

    def test_one_number_in_whole_layers_and_in_decoded_ones(self):
        inputs = {"blocks.0.q.input": random(64, 256), "blocks.1.q.input": random(64, 256)}
        support.save(self.folder / "inputs.safetensors", inputs)
        tensors = {"blocks.0.q.weight": support.narrow(np.full((256, 256), -2.0), "F32"), "blocks.1.q.weight": random(256, 256)}
        report = self.folder / "report.json"
        support.save(self.folder / "model.safetensors", tensors)
        said = support.convert(self.folder / "model.safetensors", self.folder / "first.safetensors", "--calibration-data", self.folder / "inputs.safetensors",
                               "--optimizer", "gptq", "--report-quality", report)
        self.assertIn("'blocks.0.q' (-2)", said)
        self.assertNotIn("nan", report.read_text().lower())
        said = support.convert(self.folder / "first.safetensors", self.folder / "second.safetensors", "--requantize", "--simple")
        self.assertIn("hold", said)
        self.assertIn("'blocks.0.q' (", said)


if __name__ == "__main__":
    support.main()
