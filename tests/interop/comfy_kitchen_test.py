"""Codes and scales against ComfyUI's own quantizer, comfy-kitchen, on the CPU."""
import support
from support import np

torch = support.needed("torch")
kitchen = support.needed("comfy_kitchen.tensor.int8")

ROTATED = ("--scaling_mode", "axis", "--convrot")


class ComfyKitchen(support.Test):
    def weight(self, rows, columns, seed):
        random = np.random.default_rng(seed)
        weight = random.standard_t(6, (rows, columns)).astype(np.float32) * np.float32(0.02)
        return weight * np.exp(0.3 * random.standard_normal((rows, 1))).astype(np.float32)

    def compare(self, weight, ours_options, **theirs_options):
        source, target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        support.save(source, {"blocks.0.attn.weight": support.narrow(weight, "F32")})
        support.convert(source, target, "--simple", "--comfy_quant", "--force", *ours_options)
        file = support.File(target)
        ours = file.raw("blocks.0.attn.weight")
        codes, params = kitchen.TensorWiseINT8Layout.quantize(torch.from_numpy(weight), **theirs_options)
        scale, theirs = file.raw("blocks.0.attn.weight_scale").reshape(-1), params.scale.numpy().reshape(-1)
        self.assertEqual(scale.shape, theirs.shape)
        differing, scales = int(np.count_nonzero(ours != codes.numpy())), int(np.count_nonzero(scale != theirs))
        print(f"{weight.shape} {' '.join(ours_options)}: {differing} of {ours.size} codes, {scales} of {scale.size} scales differ")
        np.testing.assert_allclose(scale, theirs, rtol=1e-6)
        return differing, scales

    def test_rotated_codes_and_scales_are_equal_where_every_sum_is_exact(self):
        for rows, columns, group in [(3072, 3072, 256), (768, 320, 64), (256, 272, 16)]:
            weight = np.clip(np.rint(self.weight(rows, columns, rows) * 2**14), -(2**14), 2**14).astype(np.float32) / 2**14
            self.assertEqual(self.compare(weight, ROTATED, per_channel=True, convrot=True, convrot_groupsize=group), (0, 0))

    def test_rotated_codes_are_equal_but_for_the_last_bits_of_their_matrix_product(self):
        for rows, columns, group in [(3072, 3072, 256), (768, 320, 64)]:
            differing, _ = self.compare(self.weight(rows, columns, 1), ROTATED, per_channel=True, convrot=True, convrot_groupsize=group)
            self.assertLessEqual(differing, rows * columns // 10000)

    def test_codes_by_rows_equal_their_rowwise_quantizer(self):
        for seed, shape in enumerate([(3072, 3072), (512, 515)]):
            self.assertEqual(self.compare(self.weight(*shape, seed), ("--scaling_mode", "axis"), per_channel=True), (0, 0))

    def test_codes_by_tensor_equal_their_tensorwise_quantizer(self):
        self.assertEqual(self.compare(self.weight(1024, 768, 3), ("--scaling_mode", "tensor")), (0, 0))


if __name__ == "__main__":
    support.main()
