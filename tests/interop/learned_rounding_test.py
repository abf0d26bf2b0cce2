"""What scale search and coordinate descent promise, checked in numpy from the files of a trained model."""
import hashlib
import statistics

import support
from support import np

MODEL = support.find_model()
BLOCKS = 2  # of the 6 that the model has: solvers take their time
LAYERS = ("--comfy_quant", "--preset", "none", "--exclude-layers", "embeddings|pooler")
FIRST = ("--comfy_quant", "--preset", "none", "--exclude-layers", rf"embeddings|pooler|layer\.[{BLOCKS}-9]")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def decibel(ratio):
    return 10 * np.log10(ratio)


def directions(weight, top_p=0.2, least=64, most=1024):
    """U and V of the leading singular vectors, as many as the flags' defaults say."""
    k = min(min(weight.shape), max(least, min(most, int(top_p * min(weight.shape)))))
    u, _, v = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    return u[:, :k], v[:k].T


class LearnedRounding(support.Test):
    @classmethod
    def setUpClass(cls):
        cls.original = support.File(MODEL)
        cls.layers = support.linear_layers(cls.original)
        cls.first = [layer for layer in cls.layers if int(layer.split(".")[2]) < BLOCKS]

    def converted(self, which, *options):
        target = self.folder / "out.safetensors"
        support.convert(MODEL, target, "--force", *which, *options)
        return target

    def weight(self, layer):
        return self.original.floats(layer + ".weight").astype(np.float64)

    def test_no_weight_is_more_than_half_a_step_off_after_the_bounded_search(self):
        for mode in ("block", "axis", "tensor"):
            fitted = support.File(self.converted(LAYERS, "--scaling_mode", mode, "--simple"))
            file = support.File(self.converted(LAYERS, "--scaling_mode", mode, "--optimizer", "auto"))
            moved = 0
            for layer in self.layers:
                with self.subTest(mode=mode, layer=layer):
                    weight, scale = self.weight(layer), file.raw(layer + ".weight_scale")
                    off = np.abs(weight / support.expand(scale, weight.shape).astype(np.float64) - file.raw(layer + ".weight"))
                    self.assertLessEqual(off.max(), 0.5 + 2e-5)
                    moved += np.count_nonzero(scale != fitted.raw(layer + ".weight_scale"))
            self.assertGreater(moved, 0, f"{mode}: the search found nothing")

    def test_files_are_the_same_for_every_number_of_threads(self):
        for options in (("--scaling_mode", "axis", "--optimizer", "auto"), ("--scaling_mode", "tensor", "--optimizer", "auto"),
                        ("--scaling_mode", "axis", "--optimizer", "coordinate")):
            found = {digest(self.converted(FIRST, *options, "--threads", threads)) for threads in (1, 2, 5)}
            self.assertEqual(len(found), 1, options)

    def test_coordinate_lowers_its_objective_in_the_file_within_the_budget(self):
        # From the stored bytes, with singular vectors of numpy's own; medians of the layers of 384 x 384 and of 1536 x 384.
        known = {layer: directions(self.weight(layer)) for layer in self.first}
        for mode, budget, square, tall in (("axis", 0.1, 7, 15), ("block", 0.5, 12, 20), ("tensor", 0.1, 7, 15)):
            with self.subTest(mode=mode, budget=budget):
                nearest = support.File(self.converted(FIRST, "--scaling_mode", mode, "--optimizer", "none"))
                moved = support.File(self.converted(FIRST, "--scaling_mode", mode, "--optimizer", "coordinate", "--sqnr-budget", budget,
                                                    "--full_matrix"))
                gains = {}
                for layer, (u, v) in known.items():
                    before, after = (self.weight(layer) - support.dequantize(file, layer) for file in (nearest, moved))
                    self.assertLessEqual(decibel(np.sum(after**2) / np.sum(before**2)), budget + 0.005, layer)
                    gain = decibel(np.sum((u.T @ before @ v) ** 2) / np.sum((u.T @ after @ v) ** 2))
                    self.assertGreater(gain, 0, layer)
                    gains.setdefault(before.shape[0] / before.shape[1], []).append(gain)
                for aspect, g in sorted(gains.items()):
                    print(f"{mode}, {budget} dB, {aspect:g} : 1: median {statistics.median(g):.1f} dB, worst {min(g):.1f} of {len(g)}")
                self.assertGreaterEqual(statistics.median(gains[1]), square)
                self.assertGreaterEqual(statistics.median(gains[4]), tall)

    def test_a_known_mean_of_the_inputs_keeps_the_mean_of_the_outputs(self):
        random = np.random.default_rng(1)
        means = {layer: random.standard_normal(self.weight(layer).shape[1]).astype(np.float32) for layer in self.first}
        known = self.folder / "known.safetensors"
        support.save(known, {layer + ".channel_mean": support.narrow(mean, "F32") for layer, mean in means.items()})
        for options in (("--scaling_mode", "axis"), ("--scaling_mode", "axis", "--optimizer", "coordinate")):
            file = support.File(self.converted(FIRST, *options, "--calibration-data", known))
            for layer, mean in means.items():
                bias = self.original.floats(layer + ".bias").astype(np.float64)
                exact = self.weight(layer) @ mean + bias
                found = support.dequantize(file, layer) @ mean + file.floats(layer + ".bias")
                self.assertLessEqual(np.linalg.norm(found - exact), 1e-5 * np.linalg.norm(exact), layer)
                self.assertFalse(np.array_equal(bias, file.floats(layer + ".bias")), layer)


if __name__ == "__main__":
    support.main()
