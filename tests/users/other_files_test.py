"""Files that are something else than their names say are named, with what to do; JSON with a byte order mark is read; caches of links are followed."""
import gzip
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234567890\n"
PAGE = b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n" * 20
LAYER = "blocks.0.lin"


def archive():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        zipped.writestr("archive/data.pkl", pickle.dumps({"a": 1}, protocol=2))
    return made.getvalue()


# bytes, and what the message says
FOREIGN = {
    "a Git LFS pointer": (POINTER, r"it is a Git LFS pointer.*a file of 1\.23 GB; get the file itself: git lfs pull"),
    "a page": (PAGE, "it is an HTML page; download the file itself"),
    "a page in lower case, with a mark": (b"\xef\xbb\xbf<html lang=en></html>", "it is an HTML page"),
    "what a bucket answers": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "it is an XML text"),
    "a .ckpt": (archive(), r"it is a ZIP archive; PyTorch's .*weights_only=True.*save_file"),
    "an older .pt": (pickle.dumps({"a": list(range(1000))}, protocol=2), "it is a Python pickle; PyTorch's "),
    "a pickle of today": (pickle.dumps({"a": 1}), "it is a Python pickle"),
    "a GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(200), "it is a GGUF file.*get the model as safetensors"),
    "something compressed": (gzip.compress(bytes(1000)), "it is compressed by gzip; unpack it"),
    "an array": (b"\x93NUMPY\x01\x00" + bytes(120), "it is a NumPy array"),
    "a download that was not finished": (bytes(100000), "it is an unfinished file.*download it again"),
    "what a server says": (b"Invalid username or password.", "it is text, which begins 'Invalid username or password.'; download the file itself"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "it is text in UTF-16; save it as UTF-8"),
}
JSON_TEXT = b'{"weight_map": {}, "metadata": {}}'


class OtherFiles(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target, self.lora = (self.folder / name for name in ("in.safetensors", "out.safetensors", "lora.safetensors"))
        random = np.random.default_rng(2)
        self.tensors = {f"blocks.{i}.lin.weight": support.narrow(random.standard_normal((256, 256)) * 0.02, "BF16") for i in range(2)}
        support.save(self.source, self.tensors)

    def refuses(self, status, pattern, source, *options):
        with self.assertRaisesRegex(AssertionError, f"(?s)status {status}.*" + pattern):
            support.convert(source, self.target, *([] if "--edit-quant" in options else ["--preset", "none"]), *options)
        self.assertFalse(self.target.exists())

    def test_where_a_model_is_wanted(self):
        for name, (content, says) in {**FOREIGN, "JSON": (JSON_TEXT, "it is JSON without a safetensors file.*ends in .json")}.items():
            with self.subTest(name):
                bad = self.folder / "bad.safetensors"
                bad.write_bytes(content)
                self.refuses(65, "'[^']*bad.safetensors': " + says, bad)
                self.refuses(65, "'[^']*bad.safetensors': " + says, self.source, "--merge-lora", bad)
                self.refuses(65, "'[^']*bad.safetensors': " + says, self.source, "--calibration-data", bad)
                self.refuses(65, "'[^']*bad.safetensors': " + says, bad, "--edit-quant", "--save-quant-metadata")
                inspect = subprocess.run([support.CONVERTER.parent / "inspect", bad], capture_output=True, text=True)
                self.assertEqual(inspect.returncode, 65)
                self.assertRegex(inspect.stderr, "(?s)" + says)

    def test_where_a_shard_is_wanted(self):
        names = [f"m-0000{i}-of-00002.safetensors" for i in (1, 2)]
        index = self.folder / "m.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": dict(zip(self.tensors, names))}))
        for i, name in enumerate(names):
            support.save(self.folder / name, dict([list(self.tensors.items())[i]]))
        support.convert(index, self.target, "--preset", "none", "--force")
        self.target.unlink()
        (self.folder / names[1]).write_bytes(POINTER)
        self.refuses(65, f"{names[1]}': it is a Git LFS pointer", index)
        index.write_bytes(POINTER)
        self.refuses(65, "index.json': it is a Git LFS pointer", index)

    def test_where_json_is_wanted(self):
        for name, (content, says) in FOREIGN.items():
            if name in ("a download that was not finished", "what a server says"):
                continue  # no JSON, and JSON's own message says so
            with self.subTest(name):
                bad = self.folder / "bad.json"
                bad.write_bytes(content)
                self.refuses(65, "'[^']*bad.json': " + says, bad)
                self.refuses(65, "'[^']*bad.json': " + says, self.source, "--calibration-data", bad)
                self.refuses(2, "'[^']*bad.json': " + says, self.source, "--layer-config", bad)
        self.refuses(2, "it is a safetensors file, and JSON is wanted", self.source, "--layer-config", self.source)

    def test_json_with_a_byte_order_mark(self):
        mark = b"\xef\xbb\xbf"
        config = self.folder / "layers.json"
        config.write_bytes(mark + json.dumps({"blocks.0": {"format": "fp16"}}).encode())
        support.convert(self.source, self.target, "--preset", "none", "--layer-config", config)
        self.assertEqual(support.File(self.target).tensors["blocks.0.lin.weight"][0], "F16")
        data = self.folder / "data.json"
        data.write_bytes(mark + json.dumps({"blocks.0.lin": {"input_scale": 0.5}}).encode())
        said = support.convert(self.source, self.target, "--preset", "none", "--force", "--scaling_mode", "tensor", "--comfy_quant", "--input_scale", "--calibration-data", data)
        self.assertEqual(support.File(self.target).raw("blocks.0.lin.input_scale"), 0.5, said)
        index = self.folder / "x.safetensors.index.json"
        index.write_bytes(mark + json.dumps({"weight_map": {name: "in.safetensors" for name in self.tensors}}).encode())
        support.convert(index, self.target, "--preset", "none", "--force")
        header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        bad = self.folder / "bad.safetensors"
        bad.write_bytes((len(header) + 3).to_bytes(8, "little") + mark + header + bytes(4))
        self.target.unlink()
        self.refuses(65, "JSON is broken at byte 0", bad)  # in a header the format forbids it

    def test_a_config_with_a_byte_order_mark(self):
        codes = support.narrow(np.ones((192, 192)), "F8_E4M3")
        support.save(self.source, {LAYER + ".weight": codes, LAYER + ".weight_scale": support.narrow(np.ones((2, 2)), "F32")})
        config = self.folder / "config.json"
        config.write_bytes(b"\xef\xbb\xbf" + json.dumps({"weight_block_size": [128, 128]}).encode())
        support.convert(self.source, self.target, "--preset", "none", "--fp16", "--requantize")
        self.target.unlink()
        config.write_bytes(POINTER)
        self.refuses(2, "config.json beside the model, it is a Git LFS pointer", self.source, "--fp16", "--requantize")

    def hub(self, shards, place="cache", absolute=False):
        """A model in the hub's cache: a revision's links to blobs."""
        model = self.folder / place / "models--org--name"
        (model / "blobs").mkdir(parents=True)
        snapshot = model / "snapshots" / "abc123"
        snapshot.mkdir(parents=True)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("abc123")
        files = {}
        for i, (name, content) in enumerate(self.tensors.items()):
            file = f"model-0000{i + 1}-of-00002.safetensors" if shards else "model.safetensors"
            files.setdefault(file, {})[name] = content
        for file, tensors in files.items():
            support.save(model / "blobs" / ("hash_of_" + file), tensors)
        if shards:
            (model / "blobs" / "hash_of_model.safetensors.index.json").write_text(json.dumps({"weight_map": {n: f for f, t in files.items() for n in t}}))
        for blob in (model / "blobs").iterdir():
            to = blob if absolute else pathlib.Path("../../blobs") / blob.name
            (snapshot / blob.name.removeprefix("hash_of_")).symlink_to(to)
        return model, snapshot

    def converted(self, source):
        support.convert(source, self.target, "--preset", "none", "--force")
        self.assertEqual(support.File(self.target).tensors, self.right.tensors)

    def test_models_in_the_cache_of_the_hub(self):
        support.convert(self.source, self.target, "--preset", "none")
        self.right = support.File(self.target)
        for shards in False, True:
            for absolute in False, True:
                with self.subTest(shards=shards, absolute=absolute):
                    model, snapshot = self.hub(shards, f"cache_{shards}_{absolute}", absolute)
                    self.converted(snapshot)
                    self.converted(model)
                    self.converted(snapshot / ("model.safetensors.index.json" if shards else "model.safetensors"))
                    # its blobs on another disk
                    other = self.folder / f"disk_{shards}_{absolute}"
                    (model / "blobs").rename(other)
                    (model / "blobs").symlink_to(other)
                    self.converted(snapshot)
                    (model / "blobs").unlink()
                    other.rename(model / "blobs")
                    # a folder of links from outside the cache
                    local = self.folder / f"local_{shards}_{absolute}"
                    local.mkdir()
                    for file in snapshot.iterdir():
                        if file.suffix == ".json":
                            (local / file.name).write_bytes(file.read_bytes())
                        else:
                            (local / file.name).symlink_to(file.resolve())
                    self.converted(local)
                    # the whole cache moved: absolute links name a place that is gone
                    moved = self.folder / f"moved_{shards}_{absolute}"
                    (self.folder / f"cache_{shards}_{absolute}").rename(moved)
                    self.converted(moved / "models--org--name")
                    self.converted(moved / "models--org--name" / "snapshots" / "abc123")

    def test_links_to_what_is_not_the_model_are_refused(self):
        model, snapshot = self.hub(True)
        secret = self.folder / "secret.safetensors"
        support.save(secret, dict([list(self.tensors.items())[1]]))
        shard = snapshot / "model-00002-of-00002.safetensors"
        shard.unlink()
        shard.symlink_to(secret)
        self.refuses(65, "leads to '[^']*secret.safetensors', outside the model's folder", snapshot)
        other, _ = self.hub(True, "another")
        shard.unlink()
        shard.symlink_to(other / "blobs" / "hash_of_model-00002-of-00002.safetensors")
        self.refuses(65, "outside the model's folder", snapshot)
        shard.unlink()
        shard.symlink_to("/gone/blobs/hash_of_nothing")
        self.refuses(66, "is missing", snapshot)

    def test_folders_without_a_safetensors_file(self):
        empty = self.folder / "pipeline"
        empty.mkdir()
        self.refuses(66, "it holds no safetensors file; check the path", empty)
        (empty / "model.ckpt").write_bytes(archive())
        self.refuses(66, "it holds no safetensors file, but 'model.ckpt', which this program does not read", empty)
        (empty / "transformer").mkdir()
        support.save(empty / "transformer" / "model.safetensors", self.tensors)
        self.refuses(66, "but folders that do: 'transformer'; give one of them", empty)
        support.convert(empty / "transformer", self.target, "--preset", "none")  # as the message says
        model, snapshot = self.hub(False)
        (model / "refs" / "main").unlink()
        snapshot.parent.joinpath("def456").mkdir()
        self.target.unlink()
        self.refuses(66, "several snapshots, 'abc123', 'def456'", model)
        support.convert(snapshot, self.target, "--preset", "none")


if __name__ == "__main__":
    support.main()
