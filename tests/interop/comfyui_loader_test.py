"""Files loaded the way ComfyUI does it: markers decide, comfy-kitchen's layout classes dequantize and multiply."""
import json

import support
from support import np

torch = support.needed("torch")
tensors = support.needed("comfy_kitchen.tensor")

LAYOUTS = {"int8_tensorwise": "TensorWiseINT8Layout"}  # what stock ComfyUI knows of the formats written here
KEYS = ["format", "group_size", "per_row", "convrot", "convrot_groupsize", "full_precision_matrix_mult"]


def load(state, layer, shape):
    """A layer as ComfyUI's mixed-precision Linear takes it from a state dict; raises where it would."""
    weight = state.pop(layer + ".weight")
    marker = state.pop(layer + ".comfy_quant", None)
    if marker is None:
        return weight
    conf = json.loads(marker.numpy().tobytes())
    if conf.get("format") not in LAYOUTS:
        raise ValueError(f"unknown quantization format for layer {layer}")
    scale = state.pop(layer + ".weight_scale")
    if scale.dtype != torch.float32:
        raise ValueError("the scale must be FP32")
    params = tensors.TensorWiseINT8Layout.Params(scale=scale, orig_dtype=torch.float32, orig_shape=shape, convrot=conf.get("convrot", False),
                                                 convrot_groupsize=conf.get("convrot_groupsize", 256))
    return tensors.QuantizedTensor(weight, LAYOUTS[conf["format"]], params)


class ComfyUILoader(support.Test):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(5)
        self.weights = {f"blocks.{i}.lin": random.standard_normal(shape).astype(np.float32) / 20
                        for i, shape in enumerate([(512, 512), (256, 768), (384, 320), (512, 256)])}
        self.source = self.folder / "in.safetensors"
        content = {name + ".weight": support.narrow(weight, "F32") for name, weight in self.weights.items()}
        content["blocks.0.lin.bias"] = support.narrow(random.standard_normal(512), "F32")
        support.save(self.source, content)

    def convert(self, *options):
        target = self.folder / "out.safetensors"
        support.convert(self.source, target, "--force", *options)
        return support.File(target), support.needed("safetensors.torch").load_file(target)

    def loads(self, *options):
        file, state = self.convert("--comfy_quant", *options)
        for layer, weight in self.weights.items():
            stored = load(state, layer, weight.shape)
            marker = file.marker(layer)
            text = file.tensors[layer + ".comfy_quant"][2]
            self.assertEqual(text.decode(), json.dumps({k: marker[k] for k in KEYS if k in marker}))  # order, ", " and ": "
            expected = support.dequantize(file, layer, marker.get("convrot_groupsize", 0))
            np.testing.assert_allclose(stored.dequantize().numpy(), expected, rtol=1e-5, atol=1e-6)
            self.assertGreater(support.sqnr(weight, expected), 30)
            x = torch.from_numpy(np.random.default_rng(1).standard_normal((64, weight.shape[1])).astype(np.float32))
            y = torch.nn.functional.linear(x, stored).numpy()  # activations in 8 bits, rotated where the layer is
            self.assertGreater(support.sqnr(x.numpy() @ weight.T, y), 30)
        self.assertEqual(sorted(state), ["blocks.0.lin.bias"])  # every other key was consumed

    def test_rows(self):
        self.loads("--scaling_mode", "axis")

    def test_rotated_rows(self):
        self.loads("--scaling_mode", "axis", "--convrot")

    def test_tensor(self):
        self.loads("--scaling_mode", "tensor")

    def test_full_precision_matrix_mult(self):
        self.loads("--scaling_mode", "axis", "--full_precision_matrix_mult")

    def test_the_default_recipe(self):
        file, _ = self.convert()
        self.assertEqual(file.marker("blocks.0.lin"),
                         {"format": "int8_tensorwise", "per_row": True, "convrot": True, "convrot_groupsize": 256})

    def test_rows_have_a_scale_of_two_dimensions(self):
        file, _ = self.convert("--comfy_quant", "--scaling_mode", "axis")
        self.assertEqual(file.tensors["blocks.0.lin.weight_scale"][:2], ("F32", (512, 1)))

    def test_blocks_are_for_forks(self):
        file, state = self.convert("--comfy_quant", "--scaling_mode", "block", "--block_size", "64")
        with self.assertRaises(ValueError):
            load(state, "blocks.0.lin", (512, 512))
        self.assertEqual(file.tensors["blocks.0.lin.weight_scale"][:2], ("F32", (8, 8)))

    def test_the_fork_takes_axis_scales_of_one_dimension(self):
        file, _ = self.convert("--comfy_quant", "--comfy_target", "fork", "--scaling_mode", "axis")
        self.assertEqual(file.marker("blocks.0.lin")["format"], "int8_axiswise")
        self.assertEqual(file.tensors["blocks.0.lin.weight_scale"][:2], ("F32", (512,)))
        self.assertGreater(support.sqnr(self.weights["blocks.0.lin"], support.dequantize(file, "blocks.0.lin")), 30)

    def test_without_markers_the_older_names_are_written(self):
        file, _ = self.convert("--scaling_mode", "axis")
        self.assertFalse([n for n in file.tensors if n.endswith((".comfy_quant", ".weight_scale"))])
        self.assertEqual(file.tensors["blocks.0.lin.scale_weight"][:2], ("F32", (512, 1)))

    def test_fp16_loads_as_a_plain_weight(self):
        file, state = self.convert("--comfy_quant", "--fp16")
        self.assertEqual(load(state, "blocks.0.lin", (512, 512)).dtype, torch.float16)
        self.assertEqual(file.layers(), [])


if __name__ == "__main__":
    support.main()
