"""DoRA, LoHa, LoKr, convolutions, biases and whole differences against their formulas in FP64; other methods refused by their names."""
import lora_support
from lora_support import np, support

KEY = "blocks.0.ffn.0"
M, N, R = 48, 40, 4


def wide(x):
    return x.astype(np.float64)


def tucker(core, left, right):
    """What LyCORIS writes as einsum("i j k l, j r, i p -> p r k l")."""
    return np.einsum("ij...,jr,ip->pr...", wide(core), wide(right), wide(left))


class Methods(lora_support.Loras):
    def setUp(self):
        super().setUp()
        self.make_model({KEY + ".weight": (M, N), KEY + ".bias": (M,), "conv.weight": (12, 6, 3, 3), "conv3.weight": (12, 6, 2, 3, 3),
                         "point.weight": (12, 6, 1, 1), "norm.weight": (N,), "norm.bias": (N,)})

    def w(self, name=KEY):
        return wide(self.weights[name + ".weight"])

    def check(self, tensors, right, strength=1.0, **options):
        found = self.merged(self.save(tensors), strength="" if strength == 1.0 else f":{strength}")
        self.assert_merged(found, right)

    def pair(self, name=KEY):
        rows, columns = self.weights[name + ".weight"].shape
        a, b = self.normal(R, columns), self.normal(rows, R)
        return {name + ".lora_A.weight": a, name + ".lora_B.weight": b}, wide(b) @ a

    def test_dora_in_the_names_of_peft_and_lycoris(self):
        pair, delta = self.pair()
        m = self.normal(M) + np.float32(3)
        for key, shape in ((".lora_magnitude_vector", (M,)), (".lora_magnitude_vector.weight", (M,)),
                           (".lora_magnitude_vector.default.weight", (M,)), (".dora_scale", (M, 1)), (".dora_scale", (M,))):
            for strength in (1.0, 0.4):
                with self.subTest(key, shape=shape, strength=strength):
                    v = self.w() + 0.5 * delta
                    merged = v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]
                    self.check({**pair, KEY + ".alpha": np.float32(R / 2), KEY + key: m.reshape(shape)},
                               {KEY + ".weight": self.w() + strength * (merged - self.w())}, strength)

    def test_dora_of_the_rows_of_a_fused_layer(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * N, N)})
        name = "double_blocks.0.img_attn.qkv.weight"
        tensors, right = {}, wide(self.weights[name])
        for i, part in enumerate("qkv"):
            a, b, m = self.normal(R, N), self.normal(N, R), self.normal(N) + np.float32(3)
            theirs = f"transformer.transformer_blocks.0.attn.to_{part}"
            tensors.update({theirs + ".lora_A.weight": a, theirs + ".lora_B.weight": b, theirs + ".lora_magnitude_vector": m})
            v = right[i * N : (i + 1) * N] + wide(b) @ a
            right[i * N : (i + 1) * N] = v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]
        self.check(tensors, {name: right})

    def test_dora_after_another_lora_takes_what_that_made(self):
        first, delta = self.pair()
        second, more = self.pair()
        m = self.normal(M) + np.float32(3)
        a, b = self.save(first, "a.safetensors"), self.save({**second, KEY + ".dora_scale": m[:, None]}, "b.safetensors")
        v = self.w() + delta + more
        right = v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]
        code, said = self.run_converter("--simple", "--preset", "none", "--exclude-layers", ".", "--merge-loras", a, b, "--no-merge-lora-dampen")
        self.assertEqual(code, 0, said)
        file = support.File(self.target)
        self.assert_merged({name: file.floats(name) for name in self.weights}, {KEY + ".weight": right})

    def test_codes_of_dora_are_those_of_a_model_merged_beforehand(self):
        pair, delta = self.pair()
        m = self.normal(M) + np.float32(3)
        lora = self.save({**pair, KEY + ".dora_scale": m[:, None]})
        v = self.w() + delta
        options = ("--simple", "--int8", "--preset", "none", "--scaling_mode", "axis")
        code, said = self.run_converter(*options, "--merge-lora", lora)
        self.assertEqual(code, 0, said)
        merged = support.dequantize(support.File(self.target), KEY)
        right = v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]
        step = np.abs(right).max(1, keepdims=True) / 127
        self.assertLess(np.abs(merged - right).max(), (0.5001 * step).max())
        self.assertTrue((np.abs(merged - right) <= 0.5001 * step).all())

    def test_loha(self):
        w1a, w1b, w2a, w2b = self.normal(M, R), self.normal(R, N), self.normal(M, R), self.normal(R, N)
        names = dict(zip(("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), (w1a, w1b, w2a, w2b)))
        tensors = {f"lora_unet_{KEY.replace('.', '_')}.{key}": x for key, x in names.items()}
        delta = (wide(w1a) @ w1b) * (wide(w2a) @ w2b)
        self.check(tensors, {KEY + ".weight": self.w() + delta})
        tensors[f"lora_unet_{KEY.replace('.', '_')}.alpha"] = np.float32(1)
        self.check(tensors, {KEY + ".weight": self.w() - 0.7 * delta / R}, -0.7)

    def test_loha_of_convolutions_flat_and_with_cores(self):
        flat = [self.normal(12, R), self.normal(R, 54), self.normal(12, R), self.normal(R, 54)]
        names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
        delta = (wide(flat[0]) @ flat[1]) * (wide(flat[2]) @ flat[3])
        self.check({"conv." + key: x for key, x in zip(names, flat)}, {"conv.weight": self.w("conv") + delta.reshape(12, 6, 3, 3)})
        x = [self.normal(R, 12), self.normal(R, 6), self.normal(R, 12), self.normal(R, 6)]
        t1, t2 = self.normal(R, R, 3, 3), self.normal(R, R, 3, 3)
        delta = tucker(t1, x[0], x[1]) * tucker(t2, x[2], x[3])
        self.check({**{"conv." + key: value for key, value in zip(names, x)}, "conv.hada_t1": t1, "conv.hada_t2": t2},
                   {"conv.weight": self.w("conv") + delta})

    def test_lokr_with_whole_and_factored_sides(self):
        w1, w1a, w1b = self.normal(6, 5), self.normal(6, R), self.normal(R, 5)
        w2, w2a, w2b = self.normal(8, 8), self.normal(8, R), self.normal(R, 8)
        alpha = {KEY + ".alpha": np.float32(R * 3)}
        for left, left_value in (({"lokr_w1": w1}, wide(w1)), ({"lokr_w1_a": w1a, "lokr_w1_b": w1b}, wide(w1a) @ w1b)):
            for right, right_value in (({"lokr_w2": w2}, wide(w2)), ({"lokr_w2_a": w2a, "lokr_w2_b": w2b}, wide(w2a) @ w2b)):
                with self.subTest(left=[*left], right=[*right]):
                    factored = len(left) + len(right) > 2
                    delta = (3 if factored else 1) * np.kron(left_value, right_value)  # whole sides take no alpha
                    tensors = {f"{KEY}.{key}": x for key, x in {**left, **right}.items()}
                    self.check({**tensors, **alpha}, {KEY + ".weight": self.w() + delta})

    def test_lokr_of_convolutions(self):
        w1, w2 = self.normal(4, 2), self.normal(3, 3, 3, 3)
        delta = np.kron(wide(w1)[:, :, None, None], wide(w2))
        self.check({"conv.lokr_w1": w1, "conv.lokr_w2": w2}, {"conv.weight": self.w("conv") + delta})
        w2a, w2b, t2 = self.normal(R, 3), self.normal(R, 3), self.normal(R, R, 3, 3)
        delta = np.kron(wide(w1)[:, :, None, None], tucker(t2, w2a, w2b))
        self.check({"conv.lokr_w1": w1, "conv.lokr_w2_a": w2a, "conv.lokr_w2_b": w2b, "conv.lokr_t2": t2},
                   {"conv.weight": self.w("conv") + delta})

    def test_lokr_of_a_fused_layer_whose_factors_do_not_end_at_its_parts(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * N, N)})
        name = "double_blocks.0.img_attn.qkv.weight"
        w1, w2 = self.normal(8, 5), self.normal(5, 8)
        theirs = "transformer.transformer_blocks.0.attn.to_k"
        right = wide(self.weights[name])
        right[N : 2 * N] += np.kron(wide(w1), wide(w2))
        self.check({theirs + ".lokr_w1": w1, theirs + ".lokr_w2": w2}, {name: right})

    def test_dora_with_loha_and_lokr(self):
        m = self.normal(M) + np.float32(3)
        w1, w2 = self.normal(6, 5), self.normal(8, 8)
        v = self.w() + np.kron(wide(w1), wide(w2))
        self.check({KEY + ".lokr_w1": w1, KEY + ".lokr_w2": w2, KEY + ".dora_scale": m[:, None]},
                   {KEY + ".weight": v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]})
        x = [self.normal(M, R), self.normal(R, N), self.normal(M, R), self.normal(R, N)]
        v = self.w() + (wide(x[0]) @ x[1]) * (wide(x[2]) @ x[3])
        self.check({**{f"{KEY}.hada_{k}": t for k, t in zip(("w1_a", "w1_b", "w2_a", "w2_b"), x)}, KEY + ".dora_scale": m[:, None]},
                   {KEY + ".weight": v * (wide(m) / np.linalg.norm(v, axis=1))[:, None]})

    def test_pairs_of_convolutions_of_two_and_three_dimensions(self):
        for name, kernel in (("conv", (3, 3)), ("conv3", (2, 3, 3)), ("point", (1, 1))):
            with self.subTest(name):
                a, b = self.normal(R, 6, *kernel), self.normal(12, R, *(1 for _ in kernel))
                delta = np.einsum("pr,rn...->pn...", wide(b).reshape(12, R), wide(a))
                self.check({f"lora_unet_{name}.lora_down.weight": a, f"lora_unet_{name}.lora_up.weight": b},
                           {name + ".weight": self.w(name) + delta})

    def test_a_pair_of_points_for_a_linear_layer_and_a_linear_pair_for_points(self):
        a, b = self.normal(R, N, 1, 1), self.normal(M, R, 1, 1)
        self.check({KEY + ".lora_down.weight": a, KEY + ".lora_up.weight": b},
                   {KEY + ".weight": self.w() + wide(b).reshape(M, R) @ wide(a).reshape(R, N)})
        a, b = self.normal(R, 6), self.normal(12, R)
        self.check({"point.lora_down.weight": a, "point.lora_up.weight": b},
                   {"point.weight": self.w("point") + (wide(b) @ a).reshape(12, 6, 1, 1)})

    def test_locon_with_a_core(self):
        down, mid, up = self.normal(R, 6, 1, 1), self.normal(R, R, 3, 3), self.normal(12, R, 1, 1)
        delta = np.einsum("mp,pqkl,qn->mnkl", wide(up)[:, :, 0, 0], wide(mid), wide(down)[:, :, 0, 0])
        self.check({"conv.lora_down.weight": down, "conv.lora_mid.weight": mid, "conv.lora_up.weight": up, "conv.alpha": np.float32(2)},
                   {"conv.weight": self.w("conv") + delta * 2 / R})

    def test_dora_of_a_convolution(self):
        a, b, m = self.normal(R, 6, 3, 3), self.normal(12, R, 1, 1), self.normal(12) + np.float32(3)
        v = self.w("conv") + np.einsum("pr,rn...->pn...", wide(b)[:, :, 0, 0], wide(a))
        merged = v * (wide(m) / np.linalg.norm(v.reshape(12, -1), axis=1))[:, None, None, None]
        pair = {"conv.lora_A.weight": a, "conv.lora_B.weight": b}
        self.check({**pair, "conv.lora_magnitude_vector": m.reshape(1, 12, 1, 1)}, {"conv.weight": merged})
        self.check({**pair, "conv.dora_scale": m.reshape(12, 1, 1, 1)}, {"conv.weight": merged})

    def test_biases_of_pairs(self):
        pair, delta = self.pair()
        bias = self.normal(M)
        for key in (".lora_B.bias", ".lora_B.default.bias", ".lora_up.bias"):
            self.check({**pair, KEY + key: bias, KEY + ".alpha": np.float32(R / 2)},
                       {KEY + ".weight": self.w() - delta * 0.5 * 2, KEY + ".bias": wide(self.weights[KEY + ".bias"]) - wide(bias) * 0.5 * 2}, -2.0)

    def test_whole_differences_of_weights_biases_and_norms(self):
        d, b, n, nb, c = self.normal(M, N), self.normal(M), self.normal(N), self.normal(N), self.normal(12, 6, 3, 3)
        self.check({f"diffusion_model.{KEY}.diff": d, f"diffusion_model.{KEY}.diff_b": b, "lora_unet_norm.w_norm": n, "lora_unet_norm.b_norm": nb,
                    "conv.diff": c},
                   {KEY + ".weight": self.w() + 0.5 * wide(d), KEY + ".bias": wide(self.weights[KEY + ".bias"]) + 0.5 * wide(b),
                    "norm.weight": self.w("norm") + 0.5 * wide(n), "norm.bias": wide(self.weights["norm.bias"]) + 0.5 * wide(nb),
                    "conv.weight": self.w("conv") + 0.5 * wide(c)}, 0.5)

    def test_other_methods_are_refused_by_their_names(self):
        pair, _ = self.pair()
        for tensors, name in (({KEY + ".oft_blocks": self.normal(4, 12, 12)}, "OFT"), ({KEY + ".oft_blocks": self.normal(2, 4, 12, 12)}, "BOFT"),
                              ({KEY + ".oft_R.weight": self.normal(4, 66)}, "OFT"), ({KEY + ".boft_R": self.normal(2, 4, 12, 12)}, "BOFT"),
                              ({KEY + ".a1.weight": self.normal(R, N), KEY + ".b1.weight": self.normal(R, N)}, "GLoRA"),
                              ({KEY + ".ia3_l": self.normal(M, 1)}, "IA3"), ({KEY + ".vera_lambda_b": self.normal(M)}, "VeRA"),
                              ({**pair, KEY + ".lora_E": self.normal(R, 1)}, "AdaLoRA"), ({"norm.set_weight": self.normal(N)}, "in place of the model's"),
                              ({KEY + ".modules_to_save.default.weight": self.normal(M, N)}, "in place of the model's"),
                              ({**pair, KEY + ".lora_oddity": self.normal(R)}, "no part that is known")):
            with self.subTest(name):
                code, said = self.refused(self.save({"conv.diff": self.normal(12, 6, 3, 3), **tensors}))
                self.assertIn(name, said)
                self.assertIn(KEY if "norm" not in next(iter(tensors)) else "norm", said)

    def test_other_methods_left_out_on_demand_leave_their_layer_alone(self):
        pair, _ = self.pair()
        c = self.normal(12, 6, 3, 3)
        found = self.merged(self.save({**pair, KEY + ".lora_E": self.normal(R, 1), "conv.diff": c}), "--merge-lora-lenient")
        self.assert_merged(found, {"conv.weight": self.w("conv") + wide(c)})

    def test_control_loras_with_wider_inputs(self):
        for lenient in ([], ["--merge-lora-lenient"]):
            code, said = self.refused(self.save({KEY + ".lora_A.weight": self.normal(R, 2 * N), KEY + ".lora_B.weight": self.normal(M, R)}), *lenient)
            self.assertEqual(code, 65, said)
            self.assertIn("control LoRA", said)
        pair, _ = self.pair()
        _, said = self.refused(self.save({**pair, KEY + ".reshape_weight": np.float32([M, 2 * N])}))
        self.assertIn("control LoRA", said)

    def test_magnitudes_of_columns(self):
        """As earlier LyCORIS and OneTrainer write them: one for each input, over all outputs and the kernel."""
        pair, delta = self.pair()
        m = self.normal(N) + np.float32(9)
        for strength in (1.0, 0.4):
            v = self.w() + 0.5 * delta
            merged = v * (wide(m) / np.linalg.norm(v, axis=0))
            self.check({**pair, KEY + ".alpha": np.float32(R / 2), KEY + ".dora_scale": m[None, :]},
                       {KEY + ".weight": self.w() + strength * (merged - self.w())}, strength)
        a, b, m = self.normal(R, 6, 3, 3), self.normal(12, R, 1, 1), self.normal(6) + np.float32(9)
        v = self.w("conv") + np.einsum("pr,rn...->pn...", wide(b)[:, :, 0, 0], wide(a))
        merged = v * (wide(m) / np.sqrt((v**2).sum((0, 2, 3))))[None, :, None, None]
        self.check({"conv.lora_A.weight": a, "conv.lora_B.weight": b, "conv.dora_scale": m.reshape(1, 6, 1, 1)}, {"conv.weight": merged})

    def test_magnitudes_of_columns_are_measured_behind_what_was_merged_before_and_over_their_own_rows(self):
        self.make_model({"double_blocks.0.img_attn.qkv.weight": (3 * N, N)})
        name, theirs = "double_blocks.0.img_attn.qkv.weight", "transformer.transformer_blocks.0.attn.to_k"
        d, a, b, m = self.normal(3 * N, N), self.normal(R, N), self.normal(N, R), self.normal(N) + np.float32(9)
        first = self.save({"double_blocks.0.img_attn.qkv.diff": d}, "a.safetensors")
        second = self.save({theirs + ".lora_A.weight": a, theirs + ".lora_B.weight": b, theirs + ".dora_scale": m[None, :]}, "b.safetensors")
        right = wide(self.weights[name]) + wide(d)
        v = right[N : 2 * N] + wide(b) @ a
        right[N : 2 * N] = v * (wide(m) / np.linalg.norm(v, axis=0))
        code, said = self.run_converter("--simple", "--preset", "none", "--exclude-layers", ".", "--merge-loras", first, second,
                                        "--no-merge-lora-dampen")
        self.assertEqual(code, 0, said)
        self.assert_merged({name: support.File(self.target).floats(name)}, {name: right})

    def test_tensors_that_do_not_go_together(self):
        pair, _ = self.pair()
        for tensors, words in (({KEY + ".dora_scale": self.normal(M, 1)}, "no pair beside it"),
                               ({KEY + ".hada_w1_a": self.normal(M, R)}, "hada_w1_b"), ({KEY + ".lokr_w2": self.normal(8, 8)}, "lokr_w1"),
                               ({**pair, KEY + ".lokr_w1": self.normal(6, 5), KEY + ".lokr_w2": self.normal(8, 8)}, "two methods"),
                               ({KEY + ".lokr_w1": self.normal(6, 5), KEY + ".lokr_w2": self.normal(8, 9)}, "[48, 45]"),
                               ({**pair, KEY + ".dora_scale": self.normal(M + 1, 1)}, "one for each row, or for each column"),
                               ({"conv.lora_down.weight": self.normal(R, 6, 9, 1), "conv.lora_up.weight": self.normal(12, R, 1, 1)}, "[12, 6, 3, 3]")):
            with self.subTest(words):
                code, said = self.refused(self.save(tensors))
                self.assertEqual(code, 65, said)
                self.assertIn(words, said)


if __name__ == "__main__":
    support.main()
