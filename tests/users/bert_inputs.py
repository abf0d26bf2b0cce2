"""What flows into the linear layers of all-MiniLM-L6-v2 on sentences from Python's docstrings, by numpy alone.

capture(model, texts) returns ({layer: inputs [tokens, N]}, {layer: the layer whose inputs it shares}).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import support  # noqa: E402
from sentences import Tokenizer, sentences  # noqa: E402, F401
from support import np  # noqa: E402


def erf(x):
    """The error function within 1.5e-7: M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


class Encoder:
    """The forward pass of BERT, which shows `seen(layer, inputs)` what each linear layer is given."""

    heads, epsilon = 12, 1e-12

    def __init__(self, model):
        file = support.File(model)
        self.tensors = {n: file.floats(n) for n, t in file.tensors.items() if t[0] == "F32"}
        self.blocks = 1 + max(int(n.split(".")[2]) for n in self.tensors if n.startswith("encoder.layer."))

    def linear(self, name, x):
        self.seen(name, x)
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def __call__(self, tokens, seen):
        """Shows what layers are given for tokens [sentences, length]."""
        self.seen = seen
        embedded = (self.tensors["embeddings.word_embeddings.weight"][tokens] + self.tensors["embeddings.position_embeddings.weight"][: tokens.shape[1]]
                    + self.tensors["embeddings.token_type_embeddings.weight"][0])
        x = self.norm("embeddings.LayerNorm", embedded)
        for block in range(self.blocks):
            x = self.block(f"encoder.layer.{block}", x)

    def block(self, name, x):
        def split(part):
            y = self.linear(f"{name}.attention.self.{part}", x)
            return y.reshape(*y.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)
        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(np.float32(query.shape[-1]))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True) @ value).transpose(0, 2, 1, 3)
        x = self.norm(f"{name}.attention.output.LayerNorm",
                      self.linear(f"{name}.attention.output.dense", mixed.reshape(*mixed.shape[:2], -1)) + x)
        inner = self.linear(f"{name}.intermediate.dense", x)
        inner = (inner * 0.5 * (1 + erf(inner / np.sqrt(np.float32(2))))).astype(np.float32)
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", inner) + x)


def capture(model, texts):
    tokenizer, encoder = Tokenizer(pathlib.Path(model).with_name("vocab.txt")), Encoder(model)
    by_length = {}
    for text in texts:
        tokens = tokenizer(text)
        by_length.setdefault(len(tokens), []).append(tokens)
    rows, aliases = {}, {}

    def seen(layer, x):
        owner = layer.replace(".self.key", ".self.query").replace(".self.value", ".self.query")
        if owner != layer:
            aliases[layer] = owner
        else:
            rows.setdefault(layer, []).append(x.reshape(-1, x.shape[-1]).copy())
    for length in sorted(by_length):
        encoder(np.array(by_length[length]), seen)
    return {layer: np.concatenate(parts) for layer, parts in rows.items()}, aliases


def sampled(rows, count, seed=0):
    """`count` of the rows, in their order; the same for every layer of a capture."""
    return rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])]
