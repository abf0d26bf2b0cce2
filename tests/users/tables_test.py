"""What is looked up, routes or normalizes stays as it is under every family; the version of ComfyUI follows from what is quantized."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

RNG = np.random.default_rng(5)
STOCK = "loads in stock ComfyUI, version "


def weights(shapes):
    return {name: support.narrow(RNG.standard_normal(shape).astype(np.float32) * 0.02, "BF16") for name, shape in shapes.items()}


def blocks(prefix, names, count=2, shape=(256, 256)):
    return {f"{prefix}{i}.{name}.weight": shape for i in range(count) for name in names}


QWEN3_VL = {**blocks("model.layers.", ("self_attn.q_proj", "mlp.down_proj")), "model.layers.0.self_attn.q_norm.weight": (16, 128),
            "visual.pos_embed.weight": (2304, 256), "model.embed_tokens.weight": (512, 256), **blocks("visual.blocks.", ("attn.qkv",))}
GEMMA_4 = {**blocks("model.layers.", ("self_attn.q_proj", "mlp.up_proj", "per_layer_input_gate")),
           "model.embed_tokens.weight": (512, 256), "model.embed_tokens_per_layer.weight": (512, 512),
           "model.layers.0.router.proj.weight": (32, 256), "model.embed_vision.embedding_projection.weight": (256, 256)}
T5 = {"shared.weight": (512, 256), **blocks("encoder.block.", ("layer.0.SelfAttention.q", "layer.1.DenseReluDense.wo")),
      "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, 64)}
HIDREAM = {"img_in.weight": (256, 64), "double_blocks.0.img_attn.norm.key_norm.scale": (128,), "double_blocks.0.img_attn.qkv.weight": (768, 256),
           "double_blocks.0.ff_i.gate.weight": (256, 256), "double_blocks.0.ff_i.experts.0.w1.weight": (256, 256),
           "double_blocks.0.mlp.gate.weight": (256, 256), "double_blocks.0.norm.weight": (24, 128), "codebook.weight": (512, 256)}


def qwen35(depth):
    every = {f"model.layers.{i}.linear_attn.{name}.weight": (256, 256) for i in range(depth) for name in ("in_proj_a", "in_proj_b", "out_proj")}
    return {**every, **blocks("model.layers.", ("mlp.experts.0.up_proj",), depth), "model.layers.1.mlp.gate.weight": (512, 256),
            "model.layers.1.mlp.shared_expert_gate.weight": (256, 256), "visual.pos_embed.weight": (512, 256)}


class Tables(support.Test):
    def convert(self, tensors, *options):
        self.model, out = self.folder / "model.safetensors", self.folder / "out.safetensors"
        support.save(self.model, tensors)
        self.said = support.convert(self.model, out, "--force", "--simple", *options)
        return support.File(out)

    def check(self, shapes, family, stay, change, *options):
        tensors = weights(shapes)
        file = self.convert(tensors, *options)
        self.assertIn(f"rules of {family} (", self.said)
        for name in stay:
            self.assertEqual(file.tensors[name], tensors[name], name)
        self.assertEqual(file.layers(), sorted(name[: -len(".weight")] for name in change))
        for name in change:  # the numbers are there, to the rounding of INT8
            layer, weight = name[: -len(".weight")], support.widen(np.frombuffer(tensors[name][2], "<u2"), "BF16").reshape(tensors[name][1])
            self.assertGreater(support.sqnr(weight, support.dequantize(file, layer, support.rotation_of(file, layer))), 35.0, name)
        self.assertIn(STOCK + "0.27 or newer", self.said)
        return file

    def test_a_text_encoder_that_sees(self):
        stay = [n for n in QWEN3_VL if "embed" in n or "norm" in n]
        self.check(QWEN3_VL, "generic_text", stay, [n for n in QWEN3_VL if n not in stay])

    def test_two_tables_and_a_router(self):
        stay = [n for n in GEMMA_4 if "embed_tokens" in n or "router" in n or "input_gate" in n or "vision" in n]
        self.check(GEMMA_4, "gemma4", stay, [n for n in GEMMA_4 if n not in stay])

    def test_a_bias_by_distance(self):
        stay = [n for n in T5 if "shared" in n or "bias" in n]
        self.check(T5, "t5xxl", stay, [n for n in T5 if n not in stay])

    def test_gates_of_experts_and_gates_of_products(self):
        stay = ["img_in.weight", "double_blocks.0.ff_i.gate.weight", "double_blocks.0.norm.weight", "codebook.weight"]
        self.check(HIDREAM, "flux1", stay, [n for n in HIDREAM if n not in stay and n.endswith(".weight")])

    def test_every_family_by_its_flag(self):
        tables = ["a.token_type_embeddings.weight", "a.position_embeddings.weight", "pos_emb.weight", "quantize.embedding.weight"]
        linears = ["zz.0.to_q.weight", "zz.0.embedding_projection.weight", "zz.0.x_embed.weight"]
        shapes = {name: (256, 256) for name in tables + linears} | {"zz.0.x_embed.bias": (256,)}
        for family in ("t5xxl", "mistral", "visual", "flux2", "distillation_large", "distillation_small", "nerf_large", "nerf_small",
                       "radiance", "wan", "hunyuan", "qwen", "zimage", "zimage_refiner", "gemma4", "qwen35", "generic_text", "anima", "lens",
                       "krea2", "ideogram4", "boogu", "ltxv2", "flux1", "sdxl"):
            tensors = weights(shapes)
            file = self.convert(tensors, "--preset", family)
            for name in tables:
                self.assertEqual(file.tensors[name], tensors[name], (family, name))
            self.assertEqual(file.layers(), sorted(name[: -len(".weight")] for name in linears), family)

    def test_a_model_of_any_depth_has_the_rules_of_its_family(self):
        for depth in (3, 24, 64):
            shapes = qwen35(depth)
            changes = [n for n in shapes if ("out_proj" in n or "up_proj" in n) and ".layers.0." not in n and f".layers.{depth - 1}." not in n]
            self.check(shapes, "qwen35", [n for n in shapes if n not in changes], changes)

    def test_a_flag_names_a_table_and_the_version_follows(self):
        tensors = weights(QWEN3_VL)
        for options, version, tables in ((("--recipe", "comfyui"), "0.27", False), (("--include-layers", "embed_tokens"), "0.30", True),
                                         (("--preset", "none"), "0.30", True), (("--custom-layers", "pos_embed", "--custom-type", "fp16"), "0.27", False),
                                         (("--fp8", "--comfy_quant", "--scaling_mode", "tensor"), "0.4", False),
                                         (("--fp8", "--comfy_quant", "--scaling_mode", "tensor", "--preset", "none", "--exclude-layers", "norm"), "0.21", True)):
            self.convert(tensors, *options)
            self.assertIn(f"the output {STOCK}{version} or newer\n", self.said, options)
            self.assertEqual(f"ComfyUI before {version} takes the codes of tables" in self.said, tables, options)
            self.assertIn(f"the output {STOCK}{version} or newer\n", support.convert(self.model, "none", "--dry-run", "--simple", *options))

    def test_a_table_for_loaders_of_which_nothing_is_known(self):
        tensors = weights(QWEN3_VL)
        for recipe in ("fork", "engine"):
            self.convert(tensors, "--recipe", recipe, "--include-layers", "embed_tokens")
            self.assertIn("no loader is known to decode", self.said)
            self.assertIn("'model.embed_tokens.weight'", self.said)
            self.convert(tensors, "--recipe", recipe)
            self.assertNotIn("no loader is known", self.said)

    def test_a_fallback_reaches_no_table_that_no_flag_names(self):
        tensors = weights({**QWEN3_VL, "lm_head.weight": (512, 256)})
        file = self.convert(tensors, "--fallback", "int8")
        self.assertIn("lm_head.comfy_quant", file)
        self.assertEqual(file.tensors["model.embed_tokens.weight"], tensors["model.embed_tokens.weight"])
        file = self.convert(tensors, "--fallback", "int8", "--exclude-layers", "embed_tokens")
        self.assertIn("model.embed_tokens.comfy_quant", file)


if __name__ == "__main__":
    support.main()
