"""Sentence embeddings by the example `encode`, INT8 weights and inputs, against the original weights in FP64."""
import math
import subprocess

import support
from sentences import Tokenizer, sentences
from support import np

ENCODE = support.CONVERTER.with_name("encode")
MODEL = support.find_model()
VOCABULARY = MODEL.with_name("vocab.txt")
COUNT = 120


def layer_norm(x, gain, shift):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * gain + shift


GRID = np.linspace(-6, 6, 1 << 18)
ERF = np.array([math.erf(x) for x in GRID])  # numpy has none; between two points the error is below 1e-9


def gelu(x):
    return 0.5 * x * (1 + np.interp(x / math.sqrt(2), GRID, ERF))


class Reference:
    """all-MiniLM-L6-v2 in FP64: `weight(layer)` gives the matrix of a linear layer."""

    def __init__(self, weight):
        file = support.File(MODEL)
        self.tensors = {name: file.floats(name).astype(np.float64) for name, t in file.tensors.items() if t[0] == "F32"}
        self.weights = {layer: weight(layer) for layer in support.linear_layers(file)}

    def linear(self, name, x):
        return x @ self.weights[name].T + self.tensors[name + ".bias"]

    def norm(self, name, x):
        return layer_norm(x, self.tensors[name + ".weight"], self.tensors[name + ".bias"])

    def block(self, name, x):
        def heads(part):
            return self.linear(f"{name}.attention.self.{part}", x).reshape(len(x), 12, -1).transpose(1, 0, 2)
        query, key, value = heads("query"), heads("key"), heads("value")
        scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1]))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(x.shape)
        x = self.norm(f"{name}.attention.output.LayerNorm", self.linear(f"{name}.attention.output.dense", mixed) + x)
        inner = gelu(self.linear(f"{name}.intermediate.dense", x))
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", inner) + x)

    def __call__(self, tokens):
        x = (self.tensors["embeddings.word_embeddings.weight"][tokens] + self.tensors["embeddings.token_type_embeddings.weight"][0]
             + self.tensors["embeddings.position_embeddings.weight"][: len(tokens)])
        x = self.norm("embeddings.LayerNorm", x)
        for block in range(6):
            x = self.block(f"encoder.layer.{block}", x)
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def encode(model, texts):
    """What the example prints for the sentences; a vector each."""
    done = subprocess.run([ENCODE, model, VOCABULARY], input="\n".join(texts) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return np.array([line.split() for line in done.stdout.splitlines()], np.float64)


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class Encode(support.Test):
    @classmethod
    def setUpClass(cls):
        if not ENCODE.exists():
            raise AssertionError(f"no program at {ENCODE}")
        cls.texts = [s for s in sentences(COUNT + 60) if s.isascii()][:COUNT]
        assert len(cls.texts) == COUNT
        original = support.File(MODEL)
        tokenizer = Tokenizer(VOCABULARY)
        cls.tokens = [tokenizer(text) for text in cls.texts]
        reference = Reference(lambda layer: original.floats(layer + ".weight").astype(np.float64))
        cls.right = np.array([reference(tokens) for tokens in cls.tokens])

    def check(self, vectors, mean, worst, what, count=COUNT):
        self.assertEqual(vectors.shape, self.right[:count].shape)
        found = cosines(vectors, self.right[:count])
        print(f"{what}: cosine to the original {found.mean():.6f} in the mean, {found.min():.6f} at worst over {count} sentences")
        self.assertGreaterEqual(found.mean(), mean)
        self.assertGreaterEqual(found.min(), worst)

    def test_of_the_original_model_is_the_reference(self):
        self.check(encode(MODEL, self.texts[:20]), 1 - 1e-8, 1 - 1e-7, "original weights, FP32", 20)

    def test_by_int8_products_is_close_to_the_original(self):
        target = self.folder / "int8.safetensors"
        support.convert(MODEL, target)
        self.check(encode(target, self.texts), 0.9995, 0.999, "INT8 ConvRot, inputs in INT8")

    def test_by_dequantized_weights_is_closer(self):
        target = self.folder / "int8.safetensors"
        support.convert(MODEL, target)
        file = support.File(target)
        stored = Reference(lambda layer: support.dequantize(file, layer, support.rotation_of(file, layer)))
        self.check(np.array([stored(tokens) for tokens in self.tokens]), 0.9997, 0.999, "INT8 ConvRot, weights dequantized")

    def test_takes_other_formats_of_its_table(self):
        for options in (("--scaling_mode", "block", "--comfy_quant"), ("--scaling_mode", "tensor", "--comfy_quant"),
                        ("--scaling_mode", "axis")):
            target = self.folder / "other.safetensors"
            support.convert(MODEL, target, "--force", *options)
            file = support.File(target)
            stored = Reference(lambda layer: support.dequantize(file, layer))
            found = cosines(encode(target, self.texts[:10]), np.array([stored(tokens) for tokens in self.tokens[:10]]))
            self.assertGreaterEqual(found.min(), 0.99, options)

    def test_refuses_a_format_that_it_lacks(self):
        target = self.folder / "fp8.safetensors"
        support.convert(MODEL, target, "--fp8", "--scaling_mode", "tensor", "--comfy_quant")
        with self.assertRaisesRegex(AssertionError, "cannot load layer 'encoder.layer.0.attention.self.query': it is F8_E4M3"):
            encode(target, self.texts[:1])


if __name__ == "__main__":
    support.main()
