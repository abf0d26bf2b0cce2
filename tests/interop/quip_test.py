"""QuIP and SmoothQuant on generated layers, undone from the file's bytes in numpy: signs, Hadamard matrices, factors."""
import support
from support import np

RNG = np.random.default_rng(3)


def sylvester(size):
    h = np.ones((1, 1))
    while h.shape[0] < size:
        h = np.kron([[1, 1], [1, -1]], h) / np.sqrt(2)
    return h


def quip_weight(file, layer, shape):
    """The weight that a layer in transformed storage stands for: H (codes * scales) H, signs, cropped."""
    assert file.raw(layer + ".hadamard_quip") == 1
    rows, columns = int(file.raw(layer + ".hadamard_size_out")), int(file.raw(layer + ".hadamard_size_in"))
    stored = support.dequantize(file, layer)
    assert stored.shape == (rows, columns)
    plain = sylvester(rows) @ stored @ sylvester(columns)
    plain *= np.outer(file.raw(layer + ".sign_row").astype(np.float64), file.raw(layer + ".sign_col").astype(np.float64))
    return plain[: shape[0], : shape[1]]


def decibel(error, signal):
    return 20 * np.log10(np.linalg.norm(error) / np.linalg.norm(signal))


def correlated(count, columns):
    """Rows of an AR(1) process with a mean, and some columns thirty times the others."""
    x = RNG.standard_normal((count, columns))
    for j in range(1, columns):
        x[:, j] = 0.9 * x[:, j - 1] + 0.436 * x[:, j]
    return ((x + 0.1) * np.where(np.arange(columns) % 53 == 5, 30, 1)).astype(np.float32)


class Quip(support.Test):
    SHAPES = {"blocks.0.a": (384, 512), "blocks.0.b": (300, 720)}

    def setUp(self):
        super().setUp()
        self.model, self.known = self.folder / "model.safetensors", self.folder / "inputs.safetensors"
        self.out = self.folder / "out.safetensors"
        self.weights = {name: (RNG.standard_t(4, shape) * 0.02).astype(np.float32) for name, shape in self.SHAPES.items()}
        self.inputs = {name: correlated(1500, shape[1]) for name, shape in self.SHAPES.items()}
        support.save(self.model, {name + ".weight": support.narrow(w, "F32") for name, w in self.weights.items()})
        support.save(self.known, {name + ".input": support.narrow(x, "F32") for name, x in self.inputs.items()})

    def convert(self, *options):
        support.convert(self.model, self.out, "--force", "--preset", "none", "--verify", "full", *options)
        return support.File(self.out)

    def stored(self, file, name):
        if name + ".hadamard_quip" in file:
            return quip_weight(file, name, self.SHAPES[name])
        return support.dequantize(file, name, support.rotation_of(file, name))

    def sqnr(self, *options):
        file = self.convert(*options)
        return {name: support.sqnr(w, self.stored(file, name)) for name, w in self.weights.items()}

    def lost(self, *options):
        file, lost = self.convert(*options, "--calibration-data", self.known), {}
        for name, w in self.weights.items():
            x = self.inputs[name].astype(np.float64)
            lost[name] = decibel(x @ (self.stored(file, name) - w).T, x @ w.T.astype(np.float64))
        return lost

    def test_transformed_storage_beats_the_original_basis_by_two_decibels(self):
        for scaling in ("axis", "tensor"):
            options = ("--optimizer", "quip", "--recipe", "engine", "--scaling_mode", scaling)
            plain, turned = self.sqnr(*options), self.sqnr(*options, "--quip-store-transformed")
            print(f"{scaling}: SQNR {plain} in the original basis, {turned} transformed")
            for name in self.weights:
                self.assertGreaterEqual(turned[name], plain[name] + 2.0, name)

    def test_the_original_basis_is_never_below_searched_rounding(self):
        for scaling in ("axis", "tensor"):
            options = ("--recipe", "engine", "--scaling_mode", scaling)
            rounded, solved = self.lost(*options, "--optimizer", "none"), self.lost(*options, "--optimizer", "quip")
            searched, without = self.sqnr(*options, "--optimizer", "none"), self.sqnr(*options, "--optimizer", "quip")
            print(f"{scaling}: outputs lose {rounded} rounded, {solved} dB by quip")
            for name in self.weights:
                self.assertLessEqual(solved[name], rounded[name] + 1e-3, name)
                self.assertGreaterEqual(without[name], searched[name], name)

    def test_inputs_help_transformed_storage_too(self):
        options = ("--recipe", "fork", "--scaling_mode", "axis", "--optimizer", "quip", "--quip-store-transformed")
        file = self.convert(*options)
        for name, w in self.weights.items():
            x = self.inputs[name].astype(np.float64)
            rounded = decibel(x @ (self.stored(file, name) - w).T, x @ w.T.astype(np.float64))
            self.assertLessEqual(self.lost(*options)[name], rounded - 2.0, name)

    def test_a_seed_gives_its_own_signs_and_always_the_same_bytes(self):
        options = ("--recipe", "engine", "--optimizer", "quip", "--quip-store-transformed", "--quip-seed")
        once = self.convert(*options, 5)
        self.assertEqual(once.tensors, self.convert(*options, 5, "--threads", "1").tensors)
        self.assertNotEqual(once.tensors["blocks.0.a.sign_row"], self.convert(*options, 6).tensors["blocks.0.a.sign_row"])

    def test_products_are_kept_when_inputs_are_divided_by_the_smoothing_factors(self):
        for scaling in (("--scaling_mode", "block", "--block_size", "64"), ("--scaling_mode", "axis"), ("--scaling_mode", "tensor"),
                        ("--scaling_mode", "axis", "--convrot", "--convrot-group-size", "16")):
            for style in (("--comfy_quant", "--comfy_target", "fork"), ("--recipe", "engine")):
                file = self.convert("--smoothquant", "--calibration-data", self.known, *scaling, *style)
                for name, w in self.weights.items():
                    if name + ".smooth_factors" not in file:
                        self.assertIn("block", scaling, name)  # 300 rows are no blocks
                        continue
                    x, factors = self.inputs[name].astype(np.float64), file.raw(name + ".smooth_factors").astype(np.float64)
                    self.assertGreater(factors.max() / factors.min(), 2.0)
                    rotation = support.rotation_of(file, name) if "fork" in style else 16 if "--convrot" in scaling else 0
                    stored = support.dequantize(file, name, rotation)
                    bound = -24 if "tensor" in scaling else -30
                    self.assertLess(decibel(x / factors @ stored.T - x @ w.T, x @ w.T), bound, (name, scaling))

    def test_factors_of_stock_comfyui_are_refused(self):
        with self.assertRaisesRegex(AssertionError, "stock ComfyUI drops the smoothing factors"):
            self.convert("--smoothquant", "--calibration-data", self.known)

    def test_smoothing_without_maxima_is_left_out_with_a_warning(self):
        said = support.convert(self.model, self.out, "--smoothquant", "--recipe", "engine", "--scaling_mode", "axis", "--preset", "none")
        self.assertIn("--smoothquant leaves out 2 layers whose largest inputs are unknown", said)
        self.assertNotIn("blocks.0.a.smooth_factors", support.File(self.out))


if __name__ == "__main__":
    support.main()
