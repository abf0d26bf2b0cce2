"""Captures what flows into the linear layers of all-MiniLM-L6-v2 on sentences from the docstrings of Python's standard library.

usage: capture_inputs.py CALIBRATION HELD_OUT [--inputs] [--sentences 800] [--rows 4096]

Writes two calibration files, each from its own half of the sentences. CALIBRATION gets `.channel_sq` and `.channel_mean` over all
tokens, with --inputs also `--rows` sampled rows as `.input` in BF16. HELD_OUT gets `--rows` sampled rows as `.input` in F32, for
evaluate.py. Layers that share their inputs are `aliases`. The same files on every run with the same Python and torch.
"""
import argparse
import ast
import hashlib
import json
import pathlib
import re
import sysconfig
import unicodedata

import support
from support import np

torch = support.needed("torch")


def sentences(count):
    """`count` different sentences out of all docstrings, in an order that is arbitrary and the same on every run."""
    found = set()
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.relative_to(folder).parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                text = re.sub(r"\s+", " ", ast.get_docstring(node) or "")
                found.update(s for s in re.split(r"(?<=[.!?]) (?=[A-Z])", text) if 40 <= len(s) <= 250 and s[-1] in ".!?")
    chosen = sorted(found, key=lambda s: hashlib.sha256(s.encode()).digest())[:count]
    if len(chosen) < count:
        raise SystemExit(f"only {len(chosen)} sentences in the docstrings of {folder}")
    return chosen


class Tokenizer:
    """BERT's uncased WordPiece."""

    def __init__(self, vocabulary):
        words = pathlib.Path(vocabulary).read_text(encoding="utf-8").splitlines()
        self.number = {word: i for i, word in enumerate(words)}

    def __call__(self, text):
        tokens = ["[CLS]"] + [t for word in self.words(text) for t in self.pieces(word)] + ["[SEP]"]
        return [self.number[t] for t in tokens]

    @staticmethod
    def words(text):
        text = "".join(" " if c in "\t\n\r" or unicodedata.category(c) == "Zs" else c for c in text
                       if c in "\t\n\r" or not unicodedata.category(c).startswith("C") and c != "\ufffd")
        text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")

        def alone(c):
            ascii_mark = 33 <= ord(c) <= 47 or 58 <= ord(c) <= 64 or 91 <= ord(c) <= 96 or 123 <= ord(c) <= 126
            return ascii_mark or unicodedata.category(c).startswith("P") or 0x4E00 <= ord(c) <= 0x9FFF
        return "".join(f" {c} " if alone(c) else c for c in text).split()

    def pieces(self, word):
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.number:
                    break
            else:
                return ["[UNK]"]
            found.append(piece)
            start = end
        return found if len(word) <= 100 else ["[UNK]"]


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
