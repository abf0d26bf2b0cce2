"""Shards that the reference library writes convert to the merged model's file; ours are read by it through their index."""
import json

import support

numpy_files = support.needed("safetensors.numpy")

CHOICE = ["--preset", "none", "--exclude-layers", "embeddings|pooler", "--simple", "--comfy_quant"]


class Shards(support.Test):
    def setUp(self):
        super().setUp()
        self.model = support.find_model()
        self.whole = self.folder / "whole.safetensors"
        support.convert(self.model, self.whole, *CHOICE)

    def split(self, folder, count):
        """Writes the model as `count` shards, with the index that the usual tools write."""
        folder.mkdir()
        tensors, metadata = numpy_files.load_file(self.model), support.File(self.model).metadata
        weight_map = {}
        for i in range(count):
            file = f"model-{i + 1:05d}-of-{count:05d}.safetensors"
            part = sorted(tensors)[i::count]
            numpy_files.save_file({name: tensors[name] for name in part}, folder / file, metadata=metadata)
            weight_map.update({name: file for name in part})
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")

    def test_shards_of_the_reference_library_convert_to_the_file_of_the_merged_model(self):
        for count in [1, 3]:
            with self.subTest(count):
                shards = self.folder / f"in{count}"
                self.split(shards, count)
                target = self.folder / f"out{count}.safetensors"
                support.convert(shards / "model.safetensors.index.json", target, *CHOICE)
                self.assertEqual(target.read_bytes(), self.whole.read_bytes())

    def test_the_reference_library_reads_our_shards_through_their_index(self):
        (self.folder / "out").mkdir()
        support.convert(self.model, self.folder / "out/m.safetensors", *CHOICE, "--max-shard-size", "4M")
        index = json.loads((self.folder / "out/m.safetensors.index.json").read_text())
        files = {file: support.File(self.folder / "out" / file) for file in set(index["weight_map"].values())}
        whole = support.File(self.whole)
        self.assertEqual(set(index["weight_map"]), set(whole.tensors))
        self.assertEqual(index["metadata"]["total_size"], sum(len(data) for _, _, data in whole.tensors.values()))
        self.assertGreater(len(files), 3)
        self.assertEqual({p.name for p in (self.folder / "out").iterdir()}, {*files, "m.safetensors.index.json"})
        for name, file in index["weight_map"].items():
            self.assertEqual(files[file].tensors[name], whole.tensors[name], name)
        for file in files.values():
            self.assertEqual(file.metadata, whole.metadata)


if __name__ == "__main__":
    support.main()
