"""Captures what flows into the linear layers of all-MiniLM-L6-v2 on sentences from the docstrings of Python's standard library.

usage: capture_inputs.py CALIBRATION HELD_OUT [--inputs] [--sentences 800] [--rows 4096]

Writes two calibration files, each from its own half of the sentences. CALIBRATION gets `.channel_sq` and `.channel_mean` over all
tokens, with --inputs also `--rows` sampled rows as `.input` in BF16. HELD_OUT gets `--rows` sampled rows as `.input` in F32, for
evaluate.py. Layers that share their inputs are `aliases`. The same files on every run with the same Python and torch.
"""
import argparse
import json
import pathlib
import re

import support
from sentences import Tokenizer, sentences
from support import np

torch = support.needed("torch")


class Encoder:
    """The forward pass of BERT, which shows `seen(layer, inputs)` what each linear layer is given."""

    heads, epsilon = 12, 1e-12

    def __init__(self, model):
        file = support.File(model)
        self.tensors = {n: torch.from_numpy(file.floats(n).copy()) for n, t in file.tensors.items() if t[0] == "F32"}
        self.blocks = 1 + max(int(n.split(".")[2]) for n in self.tensors if n.startswith("encoder.layer."))

    def linear(self, name, x):
        self.seen(name, x)
        return torch.nn.functional.linear(x, self.tensors[name + ".weight"], self.tensors[name + ".bias"])

    def norm(self, name, x):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], self.tensors[name + ".weight"], self.tensors[name + ".bias"], self.epsilon)

    def __call__(self, tokens, seen):
        """tokens [sentences, length] -> hidden states [sentences, length, width]."""
        self.seen = seen
        with torch.no_grad():
            embedded = [self.tensors["embeddings.word_embeddings.weight"][tokens],
                        self.tensors["embeddings.position_embeddings.weight"][: tokens.shape[1]],
                        self.tensors["embeddings.token_type_embeddings.weight"][0]]
            x = self.norm("embeddings.LayerNorm", sum(embedded))
            for block in range(self.blocks):
                x = self.block(f"encoder.layer.{block}", x)
        return x

    def block(self, name, x):
        def split(part):
            y = self.linear(f"{name}.attention.self.{part}", x)
            return y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)
        query, key, value = split("query"), split("key"), split("value")
        weights = torch.softmax(query @ key.transpose(2, 3) / query.shape[-1] ** 0.5, -1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        x = self.norm(f"{name}.attention.output.LayerNorm", self.linear(f"{name}.attention.output.dense", mixed) + x)
        inner = torch.nn.functional.gelu(self.linear(f"{name}.intermediate.dense", x))
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", inner) + x)


def capture(model, texts):
    """Returns ({layer: inputs [tokens, N]}, {layer: the layer whose inputs it shares}); FP32, tokens in the order of length."""
    tokenizer, encoder = Tokenizer(pathlib.Path(model).with_name("vocab.txt")), Encoder(model)
    by_length = {}
    for text in texts:
        tokens = tokenizer(text)
        by_length.setdefault(len(tokens), []).append(tokens)
    rows, aliases = {}, {}

    def seen(layer, x):
        owner = re.sub(r"\.self\.(key|value)$", ".self.query", layer)
        if owner != layer:
            aliases[layer] = owner
        else:
            rows.setdefault(layer, []).append(x.reshape(-1, x.shape[-1]).numpy().copy())
    for length in sorted(by_length):
        encoder(torch.tensor(by_length[length]), seen)
    return {layer: np.concatenate(parts) for layer, parts in rows.items()}, aliases


def sampled(rows, count):
    chosen = np.random.default_rng(0).permutation(len(rows))[:count]
    return rows[np.sort(chosen)]


def write(path, rows, aliases, *, statistics, inputs, count):
    """Writes a calibration file: `statistics` over all rows; `inputs`, a dtype or None, of `count` sampled rows."""
    tensors = {}
    for layer, x in rows.items():
        if statistics:
            wide = x.astype(np.float64)
            tensors[layer + ".channel_sq"] = support.narrow((wide**2).mean(0), "F32")
            tensors[layer + ".channel_mean"] = support.narrow(wide.mean(0), "F32")
        if inputs:
            tensors[layer + ".input"] = support.narrow(sampled(x, count), inputs)
    support.save(path, tensors, {"aliases": json.dumps(aliases), "source": "captured"})


def capture_files(calibration, held_out, *, inputs=None, with_rows=None, count=800, rows=4096):
    """Writes both files, and the calibration with rows in BF16 as `with_rows` too; returns how many tokens each half has."""
    model, texts = support.find_model(), sentences(count)
    tokens = []
    for path, half, what in ((calibration, texts[::2], {"statistics": True, "inputs": inputs}),
                             (held_out, texts[1::2], {"statistics": False, "inputs": "F32"})):
        captured, aliases = capture(model, half)
        write(path, captured, aliases, count=rows, **what)
        if with_rows and path == calibration:
            write(with_rows, captured, aliases, count=rows, statistics=True, inputs="BF16")
        tokens.append(len(next(iter(captured.values()))))
    return tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calibration")
    parser.add_argument("held_out")
    parser.add_argument("--inputs", action="store_true")
    parser.add_argument("--sentences", type=int, default=800)
    parser.add_argument("--rows", type=int, default=4096)
    given = parser.parse_args()
    tokens = capture_files(given.calibration, given.held_out, inputs="BF16" if given.inputs else None, count=given.sentences, rows=given.rows)
    print(f"{given.calibration}: {tokens[0]} tokens\n{given.held_out}: {tokens[1]} tokens, at most {given.rows} rows of them")


if __name__ == "__main__":
    main()
