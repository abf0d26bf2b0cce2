"""Codes whose scales are those of blocks: sides come from markers, config.json, a name's convention or whole documented blocks, or not at all."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import support
from support import np

LAYER = "blocks.0.lin"


def blocks(weight, rows, columns, dtype="F8_E4M3"):
    """Codes and absmax scales of blocks of rows x columns, the last of a row or column smaller; and what they stand for, in FP32."""
    m, n = weight.shape
    scale = np.zeros((-(-m // rows), -(-n // columns)), np.float32)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            scale[i, j] = np.abs(weight[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]).max() / (127 if dtype == "I8" else 448)
    everywhere = np.repeat(np.repeat(scale, rows, 0)[:m], columns, 1)[:, :n]
    if dtype == "I8":
        codes = np.clip(np.rint(weight / everywhere), -127, 127).astype(np.int8)
        return (dtype, weight.shape, codes.tobytes()), scale, codes.astype(np.float32) * everywhere
    content = support.narrow(weight / everywhere, dtype)
    return content, scale, support.FP8[dtype][np.frombuffer(content[2], np.uint8).reshape(m, n)] * everywhere


class Blocks(support.Test):
    def setUp(self):
        super().setUp()
        self.source, self.target, self.config = (self.folder / name for name in ("in.safetensors", "out.safetensors", "config.json"))
        self.random = np.random.default_rng(3)

    def weight(self, *shape):
        return (self.random.standard_normal(shape) * 0.02).astype(np.float32)

    def save(self, content, scale, name="weight_scale", marker=None):
        tensors = {LAYER + ".weight": content, f"{LAYER}.{name}": support.narrow(scale, "F32")}
        if marker:
            data = json.dumps(marker).encode()
            tensors[LAYER + ".comfy_quant"] = ("U8", (len(data),), data)
        support.save(self.source, tensors)

    def say(self, sides, key="weight_block_size"):
        self.config.write_text(json.dumps({"model_type": "x", "quantization_config": {"quant_method": "fp8", key: sides}}))

    def decodes(self, right, *options):
        said = support.convert(self.source, self.target, "--requantize", "--fp16", "--preset", "none", "--force", *options)
        file = support.File(self.target)
        self.assertEqual(list(file.tensors), [LAYER + ".weight"], said)
        np.testing.assert_array_equal(file.raw(LAYER + ".weight"), right.astype(np.float16))
        return file.floats(LAYER + ".weight")

    def refuses(self, pattern):
        with self.assertRaisesRegex(AssertionError, "(?s)status 2.*" + pattern):
            support.convert(self.source, self.target, "--requantize", "--fp16", "--preset", "none", "--force")
        self.assertFalse(self.target.exists())

    def test_partial_blocks_under_the_name_whose_convention_is_128(self):
        weight = self.weight(192, 192)
        content, scale, right = blocks(weight, 128, 128)
        self.save(content, scale, "weight_scale_inv")
        got = self.decodes(right)
        error = np.linalg.norm(got.astype(np.float64) - weight) / np.linalg.norm(weight.astype(np.float64))
        self.assertLess(error, 0.03)  # E4M3 has three bits of mantissa: 0.026

    def test_partial_blocks_that_nothing_speaks_of_until_a_config_does(self):
        content, scale, right = blocks(self.weight(192, 192), 128, 128)
        self.save(content, scale)
        self.refuses(r"shape \[2, 2\] do not fit its weight of \[192, 192\] in whole blocks.*config\.json.*weight_block_size \[128, 128\]")
        self.say([128, 128])  # as the message says
        self.decodes(right)

    def test_partial_blocks_with_a_marker(self):
        for dtype, form in ("F8_E4M3", "float8_e4m3fn_blockwise"), ("I8", "int8_blockwise"):
            for shape, side in ((192, 192), 128), ((320, 200), 64), ((100, 512), 128), ((512, 72), 256):
                with self.subTest(form, shape=shape, side=side):
                    content, scale, right = blocks(self.weight(*shape), side, side, dtype)
                    self.save(content, scale, marker={"format": form, "group_size": side})
                    self.decodes(right)

    def test_partial_blocks_with_a_config(self):
        for sides, said, key in ([128, 128], [128, 128], "weight_block_size"), ([64, 128], [64, 128], "weight_block_size"), \
                ([128, 128], "128x128", "block_structure"), ([96, 96], [96, 96], "block_structure"):
            for name in "weight_scale", "weight_scale_inv":
                with self.subTest(said=said, key=key, name=name):
                    content, scale, right = blocks(self.weight(200, 333), *sides)
                    self.save(content, scale, name)
                    self.say(said, key)
                    self.decodes(right)

    def test_a_side_that_no_format_documents_is_no_guess(self):
        for name in "weight_scale", "weight_scale_inv":
            for dtype in "F8_E4M3", "F8_E5M2", "I8":
                for side, shape in (96, (192, 192)), (512, (1024, 1024)), (8, (64, 64)):
                    if side == 96 and name == "weight_scale_inv" and dtype != "I8":
                        continue  # by the name's convention these are the partial blocks of 128
                    with self.subTest(name, dtype=dtype, side=side):
                        self.target.unlink(missing_ok=True)
                        content, scale, right = blocks(self.weight(*shape), side, side, dtype)
                        self.save(content, scale, name)
                        self.config.unlink(missing_ok=True)
                        self.refuses(r"do not fit its weight|nothing says")
                        if dtype != "I8":
                            self.say([side, side])
                            self.decodes(right)

    def test_whole_blocks_with_a_documented_side_need_no_word(self):
        for dtype in "F8_E4M3", "F8_E5M2", "I8":
            for side in 16, 32, 64, 128, 256:
                with self.subTest(dtype, side=side):
                    content, scale, right = blocks(self.weight(512, 768), side, side, dtype)
                    for name in "weight_scale", "scale_weight", "weight_scale_inv":
                        self.save(content, scale, name)
                        self.decodes(right)

    def test_what_contradicts_the_shapes_is_refused(self):
        content, scale, right = blocks(self.weight(256, 256), 128, 128)
        self.save(content, scale)
        self.say([64, 64])
        self.refuses(r"shape \[2, 2\], and blocks of 64 x 64, which config\.json beside the model says, would have \[4, 4\]")
        self.config.write_text(json.dumps([{"weight_block_size": [128, 128]}, {"block_structure": [64, 64]}]))
        self.decodes(right)  # two say two things: the shapes alone are clear
        self.target.unlink()
        content, scale, right = blocks(self.weight(192, 192), 128, 128)
        self.save(content, scale)
        self.refuses(r"config\.json beside the model says 64 x 64 and 128 x 128")
        for text, why in ("{", "is no JSON"), ('{"weight_block_size": null}', "nothing says"), ('{"weight_block_size": [0, 128]}', "nothing says"):
            self.config.write_text(text)
            self.refuses(why)
        self.save(content, scale, marker={"format": "float8_e4m3fn_blockwise", "group_size": 64})
        self.refuses(r"blocks of 64 x 64, which its marker says, would have \[3, 3\]")

    def test_a_config_speaks_of_fp8_alone(self):
        content, scale, right = blocks(self.weight(256, 256), 64, 64, "I8")
        self.say([128, 128])
        self.save(content, scale)
        self.decodes(right)
        content, scale, right = blocks(self.weight(256, 256), 64, 64)
        self.save(content, scale, "scale_weight")
        self.decodes(right)

    def test_the_same_numbers_however_the_work_is_cut(self):
        content, scale, right = blocks(self.weight(3000, 700), 128, 128)
        self.save(content, scale, "weight_scale_inv")
        for options in ("--threads", 1), ("--threads", 2), ("--low-memory",), ("--memory-budget", "16M"):
            self.decodes(right, *options)

    def test_of_shards_with_a_config_beside_the_index(self):
        content, scale, right = blocks(self.weight(180, 300), 64, 64)
        parts = {"m-00001-of-00002.safetensors": {LAYER + ".weight": content},
                 "m-00002-of-00002.safetensors": {LAYER + ".weight_scale_inv": support.narrow(scale, "F32")}}
        for file, tensors in parts.items():
            support.save(self.folder / file, tensors)
        index = {"weight_map": {name: file for file, tensors in parts.items() for name in tensors}}
        self.source = self.folder / "m.safetensors.index.json"
        self.source.write_text(json.dumps(index))
        self.refuses("nothing says")
        self.say([64, 64])
        self.decodes(right)

    def test_older_files_get_markers_where_blocks_are_whole(self):
        content, scale, _ = blocks(self.weight(192, 192), 128, 128)
        self.save(content, scale, "scale_weight")
        with self.assertRaisesRegex(AssertionError, "(?s)status 2.*in whole blocks"):
            support.convert(self.source, self.target, "--convert-legacy")
        content, scale, _ = blocks(self.weight(256, 256), 128, 128)
        self.save(content, scale, "scale_weight")
        support.convert(self.source, self.target, "--convert-legacy")
        self.assertEqual(support.File(self.target).marker(LAYER), {"format": "float8_e4m3fn_blockwise", "group_size": 128})


if __name__ == "__main__":
    support.main()
