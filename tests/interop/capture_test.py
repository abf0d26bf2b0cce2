"""examples/calibrate/capture.py on a small torch transformer, and what calibrate and the converter make of what it writes."""
import json
import pathlib
import statistics
import subprocess
import sys
import types

import support
from support import np

torch = support.needed("torch")
support.needed("safetensors.torch")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/calibrate"))
import capture as captures  # noqa: E402

CALIBRATE = support.CONVERTER.with_name("calibrate")
WIDTH, CONTEXT = 256, 128


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(WIDTH) for _ in range(3))
        self.q, self.k, self.v, self.out = (torch.nn.Linear(WIDTH, WIDTH, bias=b) for b in (True, True, False, True))
        self.cross_q, self.cross_k, self.cross_v = torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(CONTEXT, WIDTH), torch.nn.Linear(CONTEXT, WIDTH)
        self.gate, self.up, self.down = (torch.nn.Linear(a * WIDTH, b * WIDTH, bias=False) for a, b in ((1, 2), (1, 2), (2, 1)))

    def forward(self, x, context):
        y = self.norms[0](x)
        x = x + self.out(torch.nn.functional.scaled_dot_product_attention(self.q(y), self.k(y), self.v(input=y)))
        y = self.norms[1](x)
        x = x + torch.nn.functional.scaled_dot_product_attention(self.cross_q(y), self.cross_k(context), self.cross_v(context))
        y = self.norms[2](x)
        return x + self.down(torch.nn.functional.silu(self.gate(y)) * self.up(y))


class Transformer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(2))
        self.head = torch.nn.Linear(WIDTH, 16)
        self.unused = torch.nn.Linear(WIDTH, 8)

    def forward(self, x, context):
        for block in self.blocks:
            x = block(x, context)
        return self.head(x)


SHARED = {f"blocks.{i}.{layer}": f"blocks.{i}.{owner}" for i in (0, 1) for layer, owner in (("k", "q"), ("v", "q"), ("up", "gate"))}
SHARED.update({"blocks.0.cross_v": "blocks.0.cross_k", "blocks.1.cross_k": "blocks.0.cross_k", "blocks.1.cross_v": "blocks.0.cross_k"})


def inputs(seed, batch=4, tokens=64):
    """Tokens whose features go together, as those of real models do."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(48, WIDTH, generator=torch.Generator().manual_seed(0))
    x = torch.randn(batch, tokens, 48, generator=random) @ mixing + 0.3 * torch.randn(batch, tokens, WIDTH, generator=random)
    return x, torch.randn(batch, 16, 32, generator=random) @ mixing[:32, :CONTEXT] + 1


def all_rows(module, runs):
    """Every row that every layer is given, in FP32."""
    seen = {}
    hooks = [m.register_forward_pre_hook(lambda _, args, kwargs, n=n: seen.setdefault(n, []).append((args + tuple(kwargs.values()))[0]), with_kwargs=True)
             for n, m in module.named_modules() if isinstance(m, torch.nn.Linear)]
    with torch.no_grad():
        for run in runs:
            module(*run)
    for hook in hooks:
        hook.remove()
    return {n: torch.cat([x.reshape(-1, x.shape[-1]) for x in parts]) for n, parts in seen.items()}


class CaptureInputs(support.Test):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "inputs.safetensors"

    def read(self):
        file = support.File(self.path)
        self.assertEqual(file.metadata["source"], "captured")
        self.assertEqual(sorted(f.name for f in self.folder.iterdir()), ["inputs.safetensors"])
        return file, json.loads(file.metadata["aliases"])

    def rows(self, file, aliases, layer):
        name = aliases.get(layer, layer) + ".input"
        self.assertEqual(file.tensors[name][0], "BF16")
        return torch.from_numpy(file.floats(name).copy())

    def assert_holds_all(self, module, runs):
        file, aliases = self.read()
        for layer, expected in all_rows(module, runs).items():
            self.assertTrue(torch.equal(self.rows(file, aliases, layer), expected.to(torch.bfloat16).float()), layer)
        return aliases

    def test_rows_are_all_there_where_they_are_few_and_shared_where_inputs_are(self):
        model, runs = Transformer(), [inputs(1), inputs(2)]
        for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
            with mode(), captures.capture(model, self.path, rows=10_000):
                for run in runs:
                    model(*run)
            self.assertEqual(self.assert_holds_all(model, runs), SHARED, mode)
            self.assertFalse(model.head._forward_pre_hooks)
        self.assertNotIn("unused.input", self.read()[0])

    def test_what_is_kept_of_many_rows_is_a_uniform_sample_of_the_bounded_size(self):
        model = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False))
        with torch.no_grad(), captures.capture(model, self.path, rows=2000) as running:
            for first in range(0, 16_000, 250):  # numbers that BF16 holds exactly, base 128
                n = torch.arange(first, first + 250)
                model(torch.stack([n // 128, n % 128, n * 0, n * 0 + 1], 1).float())
        self.assertEqual({n: s.seen for n, s in running.samples.items()}, {"0": 16_000})
        kept = self.rows(*self.read(), "0")
        numbers = (kept[:, 0] * 128 + kept[:, 1]).long()
        self.assertEqual(kept.shape, (2000, 4))
        self.assertEqual(len(set(numbers.tolist())), 2000)
        counts = torch.bincount(numbers // 2000, minlength=8)  # 250 expected, sigma 14
        self.assertLess((counts - 250).abs().max().item(), 60, counts)

    def test_layers_part_when_their_inputs_do(self):
        class Parting(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.c = (torch.nn.Linear(8, 8) for _ in range(3))

            def forward(self, x, how):
                self.a(x)
                if how == "write":
                    x.mul_(0.5)
                self.b(x if how != "other" else x.clone() + 1)
                if how == "twice":
                    self.a(x)
                if how != "skip":
                    self.c(x.view(2, 5, 8))
        for mode in (torch.no_grad, torch.inference_mode):
            for how in ("write", "other", "twice", "skip"):
                model, steps = Parting(), ("same", "same", how, "same")

                def runs():
                    random = torch.Generator().manual_seed(5)
                    return [(torch.randn(10, 8, generator=random), step) for step in steps]
                with mode(), captures.capture(model, self.path):
                    for run in runs():
                        model(*run)
                expected = {}
                for layer in "abc":
                    parts = []
                    for x, step in runs():
                        later = x * 0.5 if step == "write" else x
                        parts += {"a": [x, x] if step == "twice" else [x], "b": [x + 1 if step == "other" else later],
                                  "c": [] if step == "skip" else [later]}[layer]
                    expected[layer] = torch.cat(parts).to(torch.bfloat16).float()
                file, aliases = self.read()
                for layer, x in expected.items():
                    self.assertTrue(torch.equal(self.rows(file, aliases, layer), x), (how, layer, aliases))
                self.assertNotIn("b" if how in ("write", "other", "twice") else "c", aliases, how)

    def test_a_failed_run_writes_nothing_and_nothing_odd_is_written(self):
        model = Transformer()
        with self.assertRaisesRegex(RuntimeError, "broken"):
            with captures.capture(model, self.path):
                raise RuntimeError("broken")
        with self.assertRaisesRegex(ValueError, "no layer was given any input"):
            with captures.capture(model, self.path):
                pass
        with self.assertRaisesRegex(ValueError, "head hold NaN"):
            with captures.capture(model, self.path, only=lambda name: name == "head"):
                model.head(torch.full((3, WIDTH), torch.nan))
        with self.assertRaisesRegex(ValueError, "no torch.nn.Linear"):
            captures.capture(model, self.path, only=lambda name: False)
        self.assertFalse(list(self.folder.iterdir()))

    def test_the_nodes_for_comfyui_go_on_from_prompt_to_prompt(self):
        network = Transformer()
        patcher = types.SimpleNamespace(model=types.SimpleNamespace(diffusion_model=network))
        self.assertEqual(set(captures.NODE_CLASS_MAPPINGS), set(captures.NODE_DISPLAY_NAME_MAPPINGS))
        start, save = captures.CaptureLayerInputs(), captures.SaveLayerInputs()
        with self.assertRaisesRegex(ValueError, "nothing is captured"):
            save.save({}, str(self.path))
        for seed in (1, 2):
            self.assertEqual(start.start(patcher, str(self.path), 10_000), (patcher,))
            with torch.inference_mode():
                network(*inputs(seed))
            self.assertEqual(save.save({"samples": 1}, str(self.path)), ({"samples": 1},))
        captures._running.pop(str(self.path))[1].remove()
        self.assertEqual(self.assert_holds_all(network, [inputs(1), inputs(2)]), SHARED)

    def test_what_is_captured_lowers_the_error_of_held_out_outputs(self):
        if not CALIBRATE.exists():
            self.skipTest(f"no program at {CALIBRATE}")
        model, folder = Transformer(), self.folder
        with torch.no_grad(), captures.capture(model, self.path, rows=2048):
            for seed in range(100, 120):
                model(*inputs(seed))
        captured = self.read()[0]
        support.save(folder / "model.safetensors", {n: support.narrow(p.detach().numpy(), "F32") for n, p in model.state_dict().items()})
        subprocess.run([CALIBRATE, "-o", folder / "statistics.safetensors", self.path], check=True, capture_output=True)
        made = support.File(folder / "statistics.safetensors")
        self.assertEqual(json.loads(made.metadata["aliases"]), SHARED)
        for name in captured.tensors:
            layer, x = name[: -len(".input")], captured.floats(name).astype(np.float64)
            self.assertLessEqual(len(x), 2048)
            self.assertEqual(int(made.raw(layer + ".count")), len(x))
            self.assertLess(np.max(np.abs(made.raw(layer + ".hessian") - x.T @ x)), 3e-6 * np.max(x.T @ x), layer)
            self.assertTrue(np.allclose(made.raw(layer + ".channel_mean"), x.mean(0), rtol=1e-5, atol=1e-7), layer)
        held_out = all_rows(model, [inputs(seed) for seed in range(3)])
        for options in (("--scaling_mode", "axis"), ("--scaling_mode", "axis", "--convrot", "--convrot-group-size", "64")):
            options = ("--preset", "none", "--comfy_quant", "--exclude-layers", "unused|head", *options, "--force")
            errors = []
            for known in ((), ("--calibration-data", folder / "statistics.safetensors")):
                support.convert(folder / "model.safetensors", folder / "out.safetensors", *options, *known)
                file = support.File(folder / "out.safetensors")
                errors.append({layer: self.output_error(model, file, layer, held_out[layer].double().numpy()) for layer in file.layers()})
            self.assertEqual(len(errors[0]), 20)
            gains = {layer: errors[0][layer] - e for layer, e in errors[1].items()}
            print(f"{options[5:-1]}: held-out gain of captured statistics, median {statistics.median(gains.values()):.2f} dB, "
                  f"worst {min(gains.values()):.2f} dB")
            self.assertGreater(statistics.median(gains.values()), 2.0, gains)
            self.assertGreater(min(gains.values()), 0.0, gains)

    def output_error(self, model, file, layer, x):
        """What rounding does to the outputs on rows x, the corrected bias included, in dB of the outputs."""
        weight = dict(model.named_parameters())[layer + ".weight"].detach().double().numpy()
        error = x @ (support.dequantize(file, layer, support.rotation_of(file, layer)) - weight).T
        if layer + ".bias" in file:
            error += file.floats(layer + ".bias").astype(np.float64) - dict(model.named_parameters())[layer + ".bias"].detach().double().numpy()
        return 10 * np.log10(np.sum(error**2) / np.sum((x @ weight.T) ** 2))


if __name__ == "__main__":
    support.main()
