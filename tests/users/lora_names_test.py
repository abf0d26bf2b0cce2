"""LoRAs under the names of ai-toolkit, diffusers, PEFT, XLabs, kohya and others: each merges what the model's own names merge."""
import lora_support
from lora_support import f32, np, support

H = 32  # the width of the small models

# For each family: the layers of a small model in its original names, and what other programs call them: (name, layer, first row,
# rows), or "swapped" for scale and shift that change places. Rows are written out here, apart from the converter's tables.
FAMILIES = {
    "flux": (
        {"double_blocks.0.img_attn.qkv": (3 * H, H), "double_blocks.0.txt_attn.qkv": (3 * H, H), "double_blocks.0.img_attn.proj": (H, H),
         "double_blocks.0.txt_attn.proj": (H, H), "double_blocks.0.img_mod.lin": (6 * H, H), "double_blocks.0.txt_mod.lin": (6 * H, H),
         "double_blocks.0.img_mlp.0": (4 * H, H), "double_blocks.0.img_mlp.2": (H, 4 * H), "double_blocks.0.txt_mlp.0": (4 * H, H),
         "double_blocks.0.txt_mlp.2": (H, 4 * H), "single_blocks.0.linear1": (7 * H, H), "single_blocks.0.linear2": (H, 5 * H),
         "single_blocks.0.modulation.lin": (3 * H, H), "single_blocks.11.linear1": (7 * H, H), "img_in": (H, 16), "txt_in": (H, 48),
         "time_in.in_layer": (H, 16), "time_in.out_layer": (H, H), "vector_in.in_layer": (H, 24), "guidance_in.out_layer": (H, H),
         "final_layer.linear": (16, H), "final_layer.adaLN_modulation.1": (2 * H, H)},
        [("transformer_blocks.0.attn.to_q", "double_blocks.0.img_attn.qkv", 0, H),
         ("transformer_blocks.0.attn.to_k", "double_blocks.0.img_attn.qkv", H, H),
         ("transformer_blocks.0.attn.to_v", "double_blocks.0.img_attn.qkv", 2 * H, H),
         ("transformer_blocks.0.attn.add_q_proj", "double_blocks.0.txt_attn.qkv", 0, H),
         ("transformer_blocks.0.attn.add_k_proj", "double_blocks.0.txt_attn.qkv", H, H),
         ("transformer_blocks.0.attn.add_v_proj", "double_blocks.0.txt_attn.qkv", 2 * H, H),
         ("transformer_blocks.0.attn.to_out.0", "double_blocks.0.img_attn.proj"),
         ("transformer_blocks.0.attn.to_add_out", "double_blocks.0.txt_attn.proj"),
         ("transformer_blocks.0.norm1.linear", "double_blocks.0.img_mod.lin"),
         ("transformer_blocks.0.norm1_context.linear", "double_blocks.0.txt_mod.lin"),
         ("transformer_blocks.0.ff.net.0.proj", "double_blocks.0.img_mlp.0"),
         ("transformer_blocks.0.ff.net.2", "double_blocks.0.img_mlp.2"),
         ("transformer_blocks.0.ff_context.net.0.proj", "double_blocks.0.txt_mlp.0"),
         ("transformer_blocks.0.ff_context.net.2", "double_blocks.0.txt_mlp.2"),
         ("single_transformer_blocks.0.attn.to_q", "single_blocks.0.linear1", 0, H),
         ("single_transformer_blocks.0.attn.to_k", "single_blocks.0.linear1", H, H),
         ("single_transformer_blocks.0.attn.to_v", "single_blocks.0.linear1", 2 * H, H),
         ("single_transformer_blocks.0.proj_mlp", "single_blocks.0.linear1", 3 * H, 4 * H),
         ("single_transformer_blocks.0.proj_out", "single_blocks.0.linear2"),
         ("single_transformer_blocks.0.norm.linear", "single_blocks.0.modulation.lin"),
         ("single_transformer_blocks.11.attn.to_v", "single_blocks.11.linear1", 2 * H, H),
         ("x_embedder", "img_in"), ("context_embedder", "txt_in"),
         ("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"),
         ("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"),
         ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
         ("time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer"),
         ("proj_out", "final_layer.linear"), ("norm_out.linear", "final_layer.adaLN_modulation.1", "swapped")]),
    "flux2": (
        {"double_blocks.3.img_attn.qkv": (3 * H, H), "double_blocks.3.img_mlp.0": (6 * H, H), "double_blocks.3.txt_mlp.2": (H, 3 * H),
         "single_blocks.2.linear1": (9 * H, H), "single_blocks.2.linear2": (H, 4 * H), "double_stream_modulation_img.lin": (6 * H, H),
         "single_stream_modulation.lin": (3 * H, H), "time_in.in_layer": (H, 16)},
        [("transformer_blocks.3.attn.to_k", "double_blocks.3.img_attn.qkv", H, H),
         ("transformer_blocks.3.ff.linear_in", "double_blocks.3.img_mlp.0"),
         ("transformer_blocks.3.ff_context.linear_out", "double_blocks.3.txt_mlp.2"),
         ("single_transformer_blocks.2.attn.to_qkv_mlp_proj", "single_blocks.2.linear1"),
         ("single_transformer_blocks.2.attn.to_out", "single_blocks.2.linear2"),
         ("double_stream_modulation_img.linear", "double_stream_modulation_img.lin"),
         ("single_stream_modulation.linear", "single_stream_modulation.lin"),
         ("time_guidance_embed.timestep_embedder.linear_1", "time_in.in_layer")]),
    "z_image": (
        {"layers.1.attention.qkv": (3 * H, H), "layers.1.attention.out": (H, H), "layers.1.feed_forward.w1": (2 * H, H),
         "noise_refiner.0.attention.qkv": (3 * H, H), "context_refiner.1.attention.qkv": (3 * H, H), "x_embedder": (H, 64),
         "final_layer.linear": (64, H)},
        [("layers.1.attention.to_q", "layers.1.attention.qkv", 0, H), ("layers.1.attention.to_k", "layers.1.attention.qkv", H, H),
         ("layers.1.attention.to_v", "layers.1.attention.qkv", 2 * H, H), ("layers.1.attention.to_out.0", "layers.1.attention.out"),
         ("layers.1.feed_forward.w1", "layers.1.feed_forward.w1"),
         ("noise_refiner.0.attention.to_k", "noise_refiner.0.attention.qkv", H, H),
         ("context_refiner.1.attention.to_v", "context_refiner.1.attention.qkv", 2 * H, H),
         ("all_x_embedder.2-1", "x_embedder"), ("all_final_layer.2-1.linear", "final_layer.linear")]),
    "lumina2, with fewer keys than queries": (
        {"layers.0.attention.qkv": (2 * H, H), "layers.0.attention.out": (H, H)},
        [("layers.0.attention.to_q", "layers.0.attention.qkv", 0, H), ("layers.0.attention.to_k", "layers.0.attention.qkv", H, H // 2),
         ("layers.0.attention.to_v", "layers.0.attention.qkv", 3 * H // 2, H // 2)]),
    "sd3": (
        {"joint_blocks.0.x_block.attn.qkv": (3 * H, H), "joint_blocks.0.context_block.attn.qkv": (3 * H, H),
         "joint_blocks.0.context_block.adaLN_modulation.1": (6 * H, H), "joint_blocks.1.context_block.adaLN_modulation.1": (2 * H, H),
         "joint_blocks.0.x_block.mlp.fc1": (4 * H, H), "final_layer.adaLN_modulation.1": (2 * H, H)},
        [("transformer_blocks.0.attn.to_v", "joint_blocks.0.x_block.attn.qkv", 2 * H, H),
         ("transformer_blocks.0.attn.add_q_proj", "joint_blocks.0.context_block.attn.qkv", 0, H),
         ("transformer_blocks.0.norm1_context.linear", "joint_blocks.0.context_block.adaLN_modulation.1"),
         ("transformer_blocks.1.norm1_context.linear", "joint_blocks.1.context_block.adaLN_modulation.1", "swapped"),
         ("transformer_blocks.0.ff.net.0.proj", "joint_blocks.0.x_block.mlp.fc1"),
         ("norm_out.linear", "final_layer.adaLN_modulation.1", "swapped")]),
    "hunyuan_video": (
        {"double_blocks.0.img_attn_qkv": (3 * H, H), "double_blocks.0.txt_mlp.fc2": (H, 4 * H), "single_blocks.0.linear1": (7 * H, H),
         "single_blocks.0.modulation.linear": (3 * H, H)},
        [("transformer_blocks.0.attn.to_q", "double_blocks.0.img_attn_qkv", 0, H),
         ("transformer_blocks.0.ff_context.net.2", "double_blocks.0.txt_mlp.fc2"),
         ("single_transformer_blocks.0.proj_mlp", "single_blocks.0.linear1", 3 * H, 4 * H),
         ("single_transformer_blocks.0.norm.linear", "single_blocks.0.modulation.linear")]),
    "hunyuan_video in ComfyUI's names": (
        {"double_blocks.0.img_attn.qkv": (3 * H, H), "double_blocks.0.img_mod.lin": (6 * H, H), "double_blocks.0.txt_mlp.0": (4 * H, H)},
        [("double_blocks.0.img_attn_qkv", "double_blocks.0.img_attn.qkv"), ("double_blocks.0.img_mod.linear", "double_blocks.0.img_mod.lin"),
         ("double_blocks.0.txt_mlp.fc1", "double_blocks.0.txt_mlp.0")]),
    "wan": (
        {"blocks.0.self_attn.q": (H, H), "blocks.0.self_attn.o": (H, H), "blocks.0.cross_attn.k": (H, H), "blocks.0.cross_attn.v_img": (H, H),
         "blocks.0.ffn.0": (4 * H, H), "blocks.0.ffn.2": (H, 4 * H), "time_projection.1": (6 * H, H), "head.head": (16, H)},
        [("blocks.0.attn1.to_q", "blocks.0.self_attn.q"), ("blocks.0.attn1.to_out.0", "blocks.0.self_attn.o"),
         ("blocks.0.attn2.to_k", "blocks.0.cross_attn.k"), ("blocks.0.attn2.add_v_proj", "blocks.0.cross_attn.v_img"),
         ("blocks.0.ffn.net.0.proj", "blocks.0.ffn.0"), ("blocks.0.ffn.net.2", "blocks.0.ffn.2"),
         ("condition_embedder.time_proj", "time_projection.1"), ("proj_out", "head.head")]),
    "unet": (
        {"input_blocks.0.0": (H, 4), "input_blocks.4.1.transformer_blocks.1.attn1.to_q": (H, H), "input_blocks.8.1.proj_in": (H, H),
         "middle_block.1.transformer_blocks.0.attn2.to_out.0": (H, H), "output_blocks.5.1.transformer_blocks.0.ff.net.0.proj": (8 * H, H),
         "output_blocks.2.0.emb_layers.1": (H, H), "input_blocks.7.0.in_layers.2": (H, H), "time_embed.2": (H, H), "label_emb.0.0": (H, H),
         "output_blocks.5.2.conv": (H, H), "input_blocks.3.0.op": (H, H)},
        [("conv_in", "input_blocks.0.0"),
         ("down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q", "input_blocks.4.1.transformer_blocks.1.attn1.to_q"),
         ("down_blocks.2.attentions.1.proj_in", "input_blocks.8.1.proj_in"),
         ("mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0", "middle_block.1.transformer_blocks.0.attn2.to_out.0"),
         ("up_blocks.1.attentions.2.transformer_blocks.0.ff.net.0.proj", "output_blocks.5.1.transformer_blocks.0.ff.net.0.proj"),
         ("up_blocks.0.resnets.2.time_emb_proj", "output_blocks.2.0.emb_layers.1"),
         ("down_blocks.2.resnets.0.conv1", "input_blocks.7.0.in_layers.2"), ("time_embedding.linear_2", "time_embed.2"),
         ("add_embedding.linear_1", "label_emb.0.0"), ("up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv"),
         ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op")]),
    "krea2": (
        {"blocks.0.attn.wq": (H, H), "blocks.0.mlp.down": (H, 2 * H), "txtfusion.refiner_blocks.1.attn.wo": (H, H), "first": (H, 16)},
        [("transformer_blocks.0.attn.to_q", "blocks.0.attn.wq"), ("transformer_blocks.0.ff.down", "blocks.0.mlp.down"),
         ("text_fusion.refiner_blocks.1.attn.to_out.0", "txtfusion.refiner_blocks.1.attn.wo"), ("img_in", "first")]),
}


class Spellings(lora_support.Loras):
    def setUp(self):
        super().setUp()
        self.make_model({"blocks.0.ffn.0.weight": (48, H), "blocks.1.ffn.0.weight": (48, H)})
        self.key = "blocks.0.ffn.0"
        self.a, self.b = self.normal(4, H), self.normal(48, 4)
        self.right = {self.key + ".weight": self.weights[self.key + ".weight"] + self.b.astype(np.float64) @ self.a}

    def check(self, down, up):
        with self.subTest(down):
            self.assert_merged(self.merged(self.save({down: self.a, up: self.b})), self.right)

    def test_prefixes_of_every_program(self):
        for prefix in ["", "base_model.model.", "base_model.model.transformer.", "_orig_mod.", "transformer._orig_mod.", "module.",
                       "module._orig_mod.", "net.", "unet.", "unet.base_model.model.", "model.diffusion_model.", "diffusion_model.",
                       "text_encoder.", "text_encoder_2.", "text_encoder_3."]:
            self.check(f"{prefix}{self.key}.lora_A.weight", f"{prefix}{self.key}.lora_B.weight")
        for prefix in ["lora_unet_", "lora_unet__", "lora_transformer_", "lycoris_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_"]:
            name = prefix + self.key.replace(".", "_")
            self.check(f"{name}.lora_down.weight", f"{name}.lora_up.weight")

    def test_blocks_that_were_compiled_one_by_one(self):
        self.check("transformer.blocks.0._orig_mod.ffn.0.lora_A.weight", "transformer.blocks.0._orig_mod.ffn.0.lora_B.weight")

    def test_suffixes_of_every_program(self):
        for down, up in [(".lora_A.weight", ".lora_B.weight"), (".lora_A.default.weight", ".lora_B.default.weight"),
                         (".lora_A.my_style.weight", ".lora_B.my_style.weight"), (".lora_A", ".lora_B"),
                         (".lora_down.weight", ".lora_up.weight"), (".lora.down.weight", ".lora.up.weight"),
                         (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"), ("_lora.down.weight", "_lora.up.weight")]:
            self.check(self.key + down, self.key + up)

    def test_attention_processors_of_older_diffusers(self):
        self.make_model({f"mid.attn1.{name}.weight": (H, H) for name in ("to_q", "to_out.0")})
        a, b = self.normal(4, H), self.normal(H, 4)
        for theirs, ours in (("to_q", "to_q"), ("to_out", "to_out.0")):
            lora = self.save({f"unet.mid.attn1.processor.{theirs}_lora.down.weight": a, f"unet.mid.attn1.processor.{theirs}_lora.up.weight": b})
            name = f"mid.attn1.{ours}.weight"
            self.assert_merged(self.merged(lora), {name: self.weights[name] + b.astype(np.float64) @ a})

    def test_a_model_that_was_saved_compiled(self):
        for prefix in ("_orig_mod.", "module.", "net.", "model.diffusion_model."):
            self.make_model({self.key + ".weight": (48, H)}, prefix)
            name = prefix + self.key + ".weight"
            lora = self.save({f"diffusion_model.{self.key}.lora_A.weight": self.a, f"diffusion_model.{self.key}.lora_B.weight": self.b})
            self.assert_merged(self.merged(lora), {name: self.weights[name] + self.b.astype(np.float64) @ self.a})

    def test_the_text_encoder_that_the_model_is(self):
        """SDXL's LoRAs call the layers of both encoders alike: the one whose shape it is counts, the other matches nothing."""
        name = "text_model.encoder.layers.0.mlp.fc1"
        self.make_model({name + ".weight": (64, H)})
        first, second = (self.normal(4, H), self.normal(64, 4)), (self.normal(4, 40), self.normal(80, 4))
        tensors = {}
        for prefix, (a, b) in (("lora_te1_", first), ("lora_te2_", second)):
            tensors[prefix + name.replace(".", "_") + ".lora_down.weight"] = a
            tensors[prefix + name.replace(".", "_") + ".lora_up.weight"] = b
        lora = self.save(tensors)
        _, said = self.refused(lora)
        self.assertIn("another text encoder", said)
        found = self.merged(lora, "--merge-lora-lenient")
        self.assert_merged(found, {name + ".weight": self.weights[name + ".weight"] + first[1].astype(np.float64) @ first[0]})


    def test_the_text_encoders_of_a_checkpoint(self):
        """Both are called alike in an SDXL LoRA; the second one of the checkpoint has OpenCLIP's names and fused queries, keys, values."""
        first, second = "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight", "conditioner.embedders.1.model.transformer.resblocks.0."
        fc, qkv = second + "mlp.c_fc.weight", second + "attn.in_proj_weight"
        self.make_model({first: (64, H), fc: (80, 40), qkv: (120, 40)})
        tensors, right = {}, {}
        for prefix, theirs, name, rows in (("lora_te1_", "mlp_fc1", first, (0, 64)), ("lora_te2_", "mlp_fc1", fc, (0, 80)),
                                           ("lora_te2_", "self_attn_v_proj", qkv, (80, 40))):
            a, b = self.normal(4, self.weights[name].shape[1]), self.normal(rows[1], 4)
            key = f"{prefix}text_model_encoder_layers_0_{theirs}"
            tensors.update({key + ".lora_down.weight": a, key + ".lora_up.weight": b})
            right[name] = self.weights[name].astype(np.float64)
            right[name][rows[0] : sum(rows)] += b.astype(np.float64) @ a
        self.assert_merged(self.merged(self.save(tensors)), right)


class Families(lora_support.Loras):
    def both_spellings(self, family, alias=lambda name: name):
        """A LoRA in the names of another program and one in the model's own, and what both add to each weight in FP64."""
        layers, names = FAMILIES[family]
        theirs, ours, added = {}, {}, {}
        for name, layer, *rows in sorted(names):
            height, width = layers[layer]
            count = height if not rows or rows[0] == "swapped" else rows[1]
            a, b = self.normal(2, width), self.normal(count, 2)
            theirs.update({f"{alias(name)}.lora_A.weight": a, f"{alias(name)}.lora_B.weight": b, f"{alias(name)}.alpha": np.float32(1)})
            placed = np.zeros((height, 2), np.float32)
            if rows == ["swapped"]:
                placed[: height // 2], placed[height // 2 :] = b[height // 2 :], b[: height // 2]
            elif rows:
                placed[rows[0] : rows[0] + rows[1]] = b
            else:
                placed = b
            ours.setdefault(layer, []).append((a, placed))
        fused = {}
        for layer, pairs in ours.items():
            a, b = np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs], 1)
            fused.update({f"{layer}.lora_A.weight": a, f"{layer}.lora_B.weight": b, f"{layer}.alpha": np.float32(len(a) / 2)})
            added[layer + ".weight"] = 0.5 * b.astype(np.float64) @ a
        return theirs, fused, added

    def test_both_spellings_merge_the_same_bytes(self):
        for family, (layers, _) in FAMILIES.items():
            for prefix in ("", "model.diffusion_model."):
                with self.subTest(family, prefix=prefix):
                    self.make_model({layer + ".weight": shape for layer, shape in layers.items()}, prefix)
                    for alias in (lambda n: "transformer." + n, lambda n: n, lambda n: "base_model.model." + n,
                                  lambda n: "lora_transformer_" + n.replace(".", "_"), lambda n: "lycoris_" + n.replace(".", "_")):
                        theirs, ours, added = self.both_spellings(family, alias)
                        self.assert_merged(self.merged(self.save(theirs)), {prefix + n: self.weights[prefix + n] + d for n, d in added.items()})
                        bytes_of_theirs = self.target.read_bytes()
                        self.merged(self.save(ours, "ours.safetensors"))
                        self.assertEqual(self.target.read_bytes(), bytes_of_theirs)

    def test_codes_and_directions_are_the_same_too(self):
        layers, _ = FAMILIES["flux"]
        self.make_model({layer + ".weight": shape for layer, shape in layers.items()})
        theirs, ours, _ = self.both_spellings("flux", lambda n: "transformer." + n)
        theirs, ours = self.save(theirs), self.save(ours, "ours.safetensors")
        for options in (["--simple", "--merge-lora"], ["--optimizer", "gptq", "--calibration-lora"]):
            files = []
            for lora in (theirs, ours):
                code, said = self.run_converter("--preset", "none", "--int8", "--scaling_mode", "axis", *options, lora)
                self.assertEqual(code, 0, said)
                self.assertNotIn("no layer of the model", said)
                files.append(support.File(self.target).tensors)
            self.assertEqual(files[0], files[1], options)

    def test_the_models_own_names_on_a_model_of_diffusers(self):
        """The other way round: fused pairs on separate layers take their rows of B."""
        parts = {"attn.to_q": (0, H), "attn.to_k": (H, H), "attn.to_v": (2 * H, H), "proj_mlp": (3 * H, 4 * H)}
        self.make_model({f"single_transformer_blocks.0.{name}.weight": (rows, H) for name, (_, rows) in parts.items()} |
                        {"norm_out.linear.weight": (2 * H, H)})
        a, b, c, d = self.normal(4, H), self.normal(7 * H, 4), self.normal(4, H), self.normal(2 * H, 4)
        lora = self.save({"lora_unet_single_blocks_0_linear1.lora_down.weight": a, "lora_unet_single_blocks_0_linear1.lora_up.weight": b,
                          "lora_unet_final_layer_adaLN_modulation_1.lora_down.weight": c,
                          "lora_unet_final_layer_adaLN_modulation_1.lora_up.weight": d})
        whole, last = b.astype(np.float64) @ a, d.astype(np.float64) @ c
        right = {f"single_transformer_blocks.0.{name}.weight": whole[first : first + rows] for name, (first, rows) in parts.items()}
        right["norm_out.linear.weight"] = np.concatenate([last[H:], last[:H]])
        self.assert_merged(self.merged(lora), {name: self.weights[name] + delta for name, delta in right.items()})

    def test_attention_processors_of_xlabs(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * H, H), "double_blocks.0.txt_attn.proj.weight": (H, H),
                         "single_blocks.0.linear1.weight": (7 * H, H), "single_blocks.0.linear2.weight": (H, 5 * H)})
        places = {"double_blocks.0.processor.qkv_lora1": ("double_blocks.0.img_attn.qkv", 3 * H),
                  "double_blocks.0.processor.proj_lora2": ("double_blocks.0.txt_attn.proj", H),
                  "single_blocks.0.processor.qkv_lora": ("single_blocks.0.linear1", 3 * H),
                  "single_blocks.0.processor.proj_lora": ("single_blocks.0.linear2", H)}
        tensors, right = {}, {}
        for theirs, (layer, rows) in places.items():
            before = self.weights[layer + ".weight"]
            a, b = self.normal(4, before.shape[1]), self.normal(rows, 4)
            tensors.update({theirs + ".down.weight": a, theirs + ".up.weight": b})
            right[layer + ".weight"] = before.astype(np.float64)
            right[layer + ".weight"][:rows] += b.astype(np.float64) @ a
        self.assert_merged(self.merged(self.save(tensors)), right)

    def test_biases_of_fused_layers_and_tensors_that_are_no_weights(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * H, H), "double_blocks.0.img_attn.qkv.bias": (3 * H,),
                         "double_blocks.0.img_attn.norm.query_norm.scale": (8,), "blocks.0.modulation": (1, 6, H), "head.modulation": (1, 2, H),
                         "final_layer.adaLN_modulation.1.weight": (2 * H, H), "final_layer.adaLN_modulation.1.bias": (2 * H,)})
        k, q, m, t, last, whole = self.normal(H), self.normal(8), self.normal(1, 6, H), self.normal(1, 2, H), self.normal(2 * H), self.normal(H, H)
        lora = self.save({"transformer.transformer_blocks.0.attn.to_k.diff_b": k, "transformer.transformer_blocks.0.attn.norm_q.diff": q,
                          "transformer.transformer_blocks.0.attn.to_v.diff": whole, "diffusion_model.blocks.0.diff_m": m,
                          "diffusion_model.head.diff_m": t, "transformer.norm_out.linear.diff_b": last})
        right = {name: w.astype(np.float64) for name, w in self.weights.items()}
        right["double_blocks.0.img_attn.qkv.bias"][H : 2 * H] += k
        right["double_blocks.0.img_attn.qkv.weight"][2 * H :] += whole
        right["double_blocks.0.img_attn.norm.query_norm.scale"] += q
        right["blocks.0.modulation"] += m
        right["head.modulation"] += t
        right["final_layer.adaLN_modulation.1.bias"] += np.concatenate([last[H:], last[:H]])
        del right["final_layer.adaLN_modulation.1.weight"]
        self.assert_merged(self.merged(lora), right)

    def test_rows_that_two_names_claim_are_refused(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * H, H)})
        lora = self.save({"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": self.normal(2, H),
                          "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": self.normal(H, 2),
                          "double_blocks.0.img_attn.qkv.lora_A.weight": self.normal(2, H),
                          "double_blocks.0.img_attn.qkv.lora_B.weight": self.normal(3 * H, 2)})
        code, said = self.refused(lora)
        self.assertEqual(code, 65, said)
        self.assertIn("are both for the layer 'double_blocks.0.img_attn.qkv'", said)

    def test_a_part_of_the_wrong_height_is_refused_with_both_shapes(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * H, H)})
        lora = self.save({"transformer_blocks.0.attn.to_q.lora_A.weight": self.normal(2, H),
                          "transformer_blocks.0.attn.to_q.lora_B.weight": self.normal(3 * H, 2)})
        code, said = self.refused(lora)
        self.assertEqual(code, 65, said)
        self.assertIn(f"[{3 * H}, 2]", said)
        self.assertIn(f"[{3 * H}, {H}]", said)


if __name__ == "__main__":
    support.main()
