"""Sentences out of the docstrings of Python's standard library, and their tokens."""
import ast
import hashlib
import pathlib
import re
import sysconfig
import unicodedata


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
