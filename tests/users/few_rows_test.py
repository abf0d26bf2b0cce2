"""Few calibration rows never lose against none, on a trained model; what the report measures, it measures on rows held out."""
import functools
import json
import pathlib
import statistics
import sys
import tempfile

import bert_inputs
from bert_inputs import np, support

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import evaluate  # noqa: E402

MODEL = support.find_model()
AXIS = ("--comfy_quant", "--scaling_mode", "axis")
ROWS = (400, 100, 50, 25, 10, 5, 2)
BLOCKS = (0, 2, 5)  # of six: the first, the last, and one between


@functools.cache
def captured():
    """({layer: inputs} of one half of the sentences, aliases, {layer: inputs} of the other half)."""
    texts = bert_inputs.sentences(800)
    return *bert_inputs.capture(MODEL, texts[::2]), bert_inputs.capture(MODEL, texts[1::2])[0]


def of_the_blocks(name):
    return name.startswith(tuple(f"encoder.layer.{block}." for block in BLOCKS))


class FewRows(support.Test):
    @classmethod
    def setUpClass(cls):
        known, aliases, held_out = ({layer: x for layer, x in part.items() if of_the_blocks(layer)} for part in captured())
        cls.known, cls.aliases = known, aliases
        cls.held_out = {layer: bert_inputs.sampled(x, 2048) for layer, x in held_out.items()}
        cls.held_out.update({layer: cls.held_out[owner] for layer, owner in cls.aliases.items()})
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.model = pathlib.Path(folder.name, "model.safetensors")
        support.save(cls.model, {name: tensor for name, tensor in support.File(MODEL).tensors.items() if of_the_blocks(name)})
        cls.original = support.File(cls.model)

    def calibration(self, rows):
        """A file with these rows, {layer: [n, N]}."""
        path = self.folder / "rows.safetensors"
        support.save(path, {layer + ".input": support.narrow(x, "F32") for layer, x in rows.items()},
                     {"aliases": json.dumps(self.aliases), "source": "captured"})
        return path

    def figures(self, *options):
        target = self.folder / "out.safetensors"
        support.convert(self.model, target, "--force", *options)
        figures = evaluate.evaluate(self.original, target, self.held_out)
        self.assertEqual(sorted(figures), support.linear_layers(self.original))
        return {layer: f.output for layer, f in figures.items()}

    def test_few_rows_never_lose_against_none(self):
        for options in (AXIS, (*AXIS, "--convrot")):
            free = self.figures(*options)
            print(f"{' '.join(options)}: rows, gain over no data in dB: median, worst layer")
            for count in ROWS if options == AXIS else ROWS[1::2]:
                data = self.calibration({layer: bert_inputs.sampled(x, count, seed=1) for layer, x in self.known.items()})
                gains = {layer: free[layer] - output for layer, output in self.figures(*options, "--calibration-data", data).items()}
                worst = min(gains, key=gains.get)
                print(f"  {count:4} {statistics.median(gains.values()):+.3f} {gains[worst]:+.3f} ({worst})", flush=True)
                self.assertGreaterEqual(gains[worst], -0.1, (options, count))
                self.assertGreaterEqual(statistics.median(gains.values()), 0.0, (options, count))


class ReportedRows(FewRows):
    test_few_rows_never_lose_against_none = None

    def report(self, rows, *options):
        path = self.folder / "report.json"
        support.convert(self.model, self.folder / "out.safetensors", "--force", *options, "--calibration-data", self.calibration(rows),
                        "--report-quality", path)
        report = json.loads(path.read_text())
        return report, {layer["name"]: layer for layer in report["layers"]}

    def test_outputs_are_measured_on_every_tenth_row_by_codes_of_the_others(self):
        rows = {layer: bert_inputs.sampled(x, 205) for layer, x in self.known.items()}
        tenth = np.arange(205) % 10 == 9
        for options in (AXIS, (*AXIS, "--convrot"), ("--comfy_quant", "--scaling_mode", "tensor", "--optimizer", "none")):
            report, layers = self.report(rows, *options)
            self.assertRegex(report["measured_on"], "every tenth row")
            self.report({layer: x[~tenth] for layer, x in rows.items()}, *options)
            held = {layer: rows[self.aliases.get(layer, layer)][tenth] for layer in layers}
            right = evaluate.evaluate(self.original, self.folder / "out.safetensors", held)
            for layer, figures in layers.items():
                self.assertAlmostEqual(figures["output_error_db"], right[layer].output, delta=0.02, msg=layer)
                self.assertEqual(figures["input_rows"], 205)

    def test_below_twenty_rows_nothing_is_measured(self):
        for count in (19, 20):
            report, layers = self.report({layer: bert_inputs.sampled(x, count) for layer, x in self.known.items()}, *AXIS)
            for figures in layers.values():
                self.assertEqual(figures["output_error_db"] is None, count < 20)
                self.assertEqual(figures["input_rows"], count)


if __name__ == "__main__":
    support.main()
