"""An error names all flags that are needed at once, following it works, and it never repeats a flag that was given."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

RNG = np.random.default_rng(9)


class Advice(support.Test):
    def setUp(self):
        super().setUp()
        self.model, self.known = self.folder / "model.safetensors", self.folder / "inputs.safetensors"
        support.save(self.model, {"blocks.0.q.weight": support.narrow(RNG.standard_normal((256, 256)), "BF16")})
        support.save(self.known, {"blocks.0.q.input": support.narrow(RNG.standard_normal((512, 256)), "F32")})
        self.out = self.folder / "out.safetensors"

    def refusal(self, *options):
        done = subprocess.run([support.CONVERTER, "--progress", "none", "-i", self.model, "-o", self.out, *options], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_smoothing_names_all_that_it_needs(self):
        data = ("--calibration-data", self.known)
        for given, advice, follow in (
            ((), "needs --recipe fork, and --calibration-data FILE:", ("--recipe", "fork", *data)),
            (data, "needs --recipe fork:", ("--recipe", "fork", *data)),
            (("--comfy_quant",), "needs --comfy_target fork, and --calibration-data FILE:", ("--comfy_quant", "--comfy_target", "fork", *data)),
            (("--comfy_target", "fork"), "needs --comfy_quant, and --calibration-data FILE:", ("--comfy_quant", "--comfy_target", "fork", *data)),
            (("--recipe", "comfyui"), "needs --recipe fork in place of --recipe comfyui, and", ("--recipe", "fork", *data)),
            (("--recipe", "comfyui", "--comfy_target", "comfyui"), "needs --comfy_target fork in place of --comfy_target comfyui, and",
             ("--recipe", "comfyui", "--comfy_target", "fork", *data)),
            (("--recipe", "engine", "--comfy_quant"), "without --comfy_quant no markers are written", ("--recipe", "engine", *data)),
            (("--recipe", "fork", "--comfy_target", "comfyui"), "needs --comfy_target fork in place of", ("--recipe", "fork", "--comfy_target", "fork", *data)),
            ((), "--recipe engine writes no markers at all", ("--recipe", "engine", *data)),
            (("--comfy_quant",), "--recipe engine in place of --comfy_quant writes no markers at all", ("--recipe", "engine", *data)),
        ):
            self.assertIn(advice, self.refusal("--smoothquant", *given), given)
            support.convert(self.model, self.out, "--force", "--smoothquant", *follow)
            self.assertIn("blocks.0.q.smooth_factors", support.File(self.out), follow)

    def test_transformed_storage_names_all_that_it_needs(self):
        for given, advice, follow in (((), "needs --recipe fork:", ("--recipe", "fork")),
                                      (("--comfy_quant",), "needs --comfy_target fork:", ("--comfy_quant", "--comfy_target", "fork")),
                                      (("--comfy_target", "fork"), "needs --comfy_quant:", ("--comfy_quant", "--comfy_target", "fork"))):
            quip = ("--optimizer", "quip", "--quip-store-transformed")
            self.assertIn(advice, self.refusal(*quip, *given), given)
            support.convert(self.model, self.out, "--force", *quip, *follow)
            self.assertIn("blocks.0.q.hadamard_quip", support.File(self.out), follow)

    def test_smoothing_with_data_that_tells_nothing_asks_for_other_data(self):
        support.save(self.known, {"blocks.0.q.channel_mean": support.narrow(np.ones(256), "F32")})
        said = support.convert(self.model, self.out, "--smoothquant", "--recipe", "fork", "--calibration-data", self.known)
        self.assertIn("they come from other --calibration-data with `.channel_max`", said)

    def test_a_flag_that_was_given_is_widened(self):
        support.save(self.model, {"blocks.0.q.weight": support.narrow(RNG.standard_normal((256, 250)), "BF16"),
                                  "blocks.1.k.weight": support.narrow(RNG.standard_normal((256, 256)), "BF16")})
        asked = ("--include-layers", "q", "--comfy_quant", "--block_size", "128")
        self.assertIn("(narrow what names them, or --exclude-layers)", self.refusal(*asked))
        self.assertIn("(narrow what names them, or a wider --exclude-layers)", self.refusal(*asked, "--exclude-layers", "k"))

    def test_scales_that_nothing_reads_are_said_to_be_so(self):
        asked = ("--input_scale", "--calibration-data", self.known)
        said = support.convert(self.model, self.out, "--force", *asked)
        self.assertIn("note: --input_scale changes nothing for 1 layer in INT8: stock ComfyUI scales the rows of their inputs as they come, and "
                      "nothing reads the input_scale of 'blocks.0.q'", said)
        self.assertIn("blocks.0.q.input_scale", support.File(self.out))
        for options in (("--fp8", "--comfy_quant", "--scaling_mode", "tensor"), ("--recipe", "engine")):
            self.assertNotIn("nothing reads", support.convert(self.model, self.out, "--force", *asked, *options), options)


if __name__ == "__main__":
    support.main()
