"""A second trained model is read right, and its inputs captured: Whisper tiny.en, which understands what it is told."""
import tempfile

import few_rows
from few_rows import support

few_rows.ctranslate2_model.find_whisper()  # both or a skip, out loud
support.needed("espeakng_loader")


class Whisper(support.Test):
    def test_it_chooses_the_words_that_were_spoken(self):
        with tempfile.TemporaryDirectory() as folder:
            model = few_rows.whisper(folder, windows=1)
        self.assertEqual(len(model.layers), 64)
        self.assertEqual({model.owner(layer) for layer in model.layers}, set(model.known))
        self.assertGreater(model.right_words, 0.6)
        for layer in model.layers:
            weight = model.original.tensors[layer + ".weight"]
            self.assertEqual(weight[0], "F16", layer)
            self.assertEqual(model.known[model.owner(layer)].shape[1], weight[1][1], layer)


if __name__ == "__main__":
    support.main()
