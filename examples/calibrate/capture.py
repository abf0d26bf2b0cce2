"""Captures what flows into the linear layers of a torch model, for `calibrate` and `convert_to_quant --calibration-data`.

    from capture import capture

    with capture(pipe.transformer, "inputs.safetensors"):
        for prompt in prompts:
            pipe(prompt)

Keeps a uniform random sample of the rows that each layer is given, `rows` of them at most, in BF16. Layers that are always given the
same tensor (query, key, value; gate, up) share one sample. Needs torch and safetensors.

In ComfyUI's folder `custom_nodes` this file is two nodes, "Capture layer inputs" before a sampler and "Save layer inputs" behind it.
docs/calibration.md says more.
"""
import json
import os
import weakref

import safetensors.torch
import torch

__all__ = ["Capture", "capture"]


def some_sum(x):
    """A number that changes when the tensor does, for those of inference mode, which do not count writes."""
    x = x.detach().reshape(-1)
    return float(x[:: max(1, len(x) // 4096)].double().sum())


class Sample:
    """A uniform random sample of the rows seen so far, for all layers that have been given the same tensors until now."""

    def __init__(self, layers, most, seed):
        self.layers, self.most, self.seed = set(layers), most, seed
        self.seen, self.rows, self.next = 0, None, None

    def choose(self, count):
        """For the next `count` rows: which are taken, and which places of the sample they go to."""
        generator = torch.Generator().manual_seed((self.seed << 40) + self.seen)  # a function of what was seen: copies agree
        turn = torch.arange(self.seen, self.seen + count)
        place = torch.where(turn < self.most, turn, (torch.rand(count, dtype=torch.float64, generator=generator) * (turn + 1)).long())
        last = {p: i for i, p in enumerate(place.tolist()) if p < self.most}
        return list(last.values()), list(last.keys())

    def prepare(self, key, x):
        """Takes note of rows that the layers of this sample are about to see, and of who has to see them still."""
        x = x.detach().reshape(-1, x.shape[-1])
        taken, places = self.choose(len(x))
        chosen = x[torch.tensor(taken, dtype=torch.long, device=x.device)].to(torch.bfloat16).cpu()
        self.next = (key, len(x), chosen, torch.tensor(places, dtype=torch.long), set(self.layers))

    def commit(self):
        """Replaces rows by those that were noted."""
        _, count, chosen, places, _ = self.next
        have = 0 if self.rows is None else len(self.rows)
        size = min(self.most, self.seen + count)
        if size > have:
            grown = torch.empty(size, chosen.shape[1], dtype=torch.bfloat16)
            if have:
                grown[:have] = self.rows
            self.rows = grown
        self.rows[places] = chosen
        self.seen += count
        self.next = None

    def split(self):
        """Parts the layers that saw the noted rows from those that did not; returns the sample of the former."""
        waiting = self.next[4]
        other = Sample(self.layers - waiting, self.most, self.seed)
        other.seen, other.rows, other.next = self.seen, None if self.rows is None else self.rows.clone(), self.next
        other.commit()
        self.layers, self.next = waiting, None
        return other


class Capture:
    """Hooks on the linear layers of `module`; see `capture`. `write` may be called at any time, `remove` ends it."""

    def __init__(self, module, path, rows=4096, seed=0, only=lambda name: True):
        if rows < 1:
            raise ValueError(f"rows is {rows}, takes 1 or more")
        self.path, self.most, self.seed = os.fspath(path), rows, seed
        layers = {name: m for name, m in module.named_modules() if isinstance(m, torch.nn.Linear) and name and only(name)}
        if not layers:
            raise ValueError("the module has no torch.nn.Linear inside whose name is wanted")
        self.order = {name: i for i, name in enumerate(layers)}
        self.samples = {}  # of a layer
        for width in {m.in_features for m in layers.values()}:
            same = Sample([n for n, m in layers.items() if m.in_features == width], rows, seed)
            self.samples.update((n, same) for n in same.layers)
        self.inputs, self.latest = {}, None  # tensors that are still alive, by where they lie
        self.count = 0
        self.hooks = [m.register_forward_pre_hook(self.hook(n), with_kwargs=True) for n, m in layers.items()]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.remove()
        if kind is None:
            self.write()

    def hook(self, layer):
        def see(module, args, kwargs):
            x = args[0] if args else kwargs["input"]
            if x.numel():
                self.see(layer, self.key(x), x)
        return see

    def key(self, x):
        """The same number for the same numbers in the same memory, as long as nobody wrote there and it was not given back."""
        where = (x.data_ptr(), tuple(x.shape), x.stride(), x.dtype, x.device, some_sum(x) if x.is_inference() else x._version)
        known = self.inputs.get(where)
        if known is None or known[1]() is None:
            self.count += 1
            self.inputs = {w: k for w, k in self.inputs.items() if k[1]() is not None}
            known = self.inputs[where] = (self.count, weakref.ref(x))
            self.latest = x  # so that the next view of it finds the same memory
        return known[0]

    def see(self, layer, key, x):
        sample = self.samples[layer]
        if sample.next is not None and (sample.next[0] != key or layer not in sample.next[4]):
            self.part(sample)
            sample = self.samples[layer]
        if sample.next is None:
            sample.prepare(key, x)
        sample.next[4].discard(layer)
        if not sample.next[4]:
            sample.commit()

    def part(self, sample):
        apart = sample.split()
        self.samples.update((n, apart) for n in apart.layers)

    def settle(self):
        for sample in set(self.samples.values()):
            if sample.next is not None:
                self.part(sample)

    def remove(self):
        """Takes the hooks away."""
        for hook in self.hooks:
            hook.remove()
        self.hooks, self.inputs, self.latest = [], {}, None

    def write(self, path=None):
        """Writes what is captured until now and returns {layer: how many rows it was given}. Replaces the file as a whole."""
        self.settle()
        tensors, aliases = {}, {}
        for sample in set(self.samples.values()):
            if sample.rows is None:
                continue
            owner, *others = sorted(sample.layers, key=self.order.get)
            if not torch.isfinite(sample.rows).all():
                raise ValueError(f"the inputs of {owner} hold NaN or infinity: look for what is wrong with the model or the run")
            tensors[owner + ".input"] = sample.rows
            aliases.update((n, owner) for n in others)
        if not tensors:
            raise ValueError("no layer was given any input: run the model inside the `with`, and without torch.compile")
        path = os.fspath(path or self.path)
        part = path + ".part"
        safetensors.torch.save_file(tensors, part, {"source": "captured", "aliases": json.dumps(aliases, sort_keys=True)})
        os.replace(part, path)
        return {n: s.seen for n, s in self.samples.items() if s.seen}


def capture(module, path, rows=4096, seed=0, only=lambda name: True):
    """A context that captures what flows into the linear layers of `module` and writes it to `path` (.safetensors) at its end.

    `rows`: how many rows of each distinct input are kept. `only(name)` says which layers are wanted. Names are those inside `module`,
    which is the one whose tensors the model's file holds: the transformer or UNet, not the whole pipeline. Layers must be called as
    modules: capture before torch.compile. An error inside the context writes nothing.
    """
    return Capture(module, path, rows, seed, only)


_running = {}  # ComfyUI: captures by file, so that one goes on from prompt to prompt


class CaptureLayerInputs:
    """ComfyUI: hooks a model's layers; put it between the model loader (and LoRAs) and the sampler."""

    CATEGORY, FUNCTION, RETURN_TYPES = "halfstep", "start", ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "file": ("STRING", {"default": "inputs.safetensors"}),
                             "rows": ("INT", {"default": 4096, "min": 1, "max": 1 << 20})}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def start(self, model, file, rows):
        module = model.model.diffusion_model
        running = _running.get(file)
        if running is None or running[0]() is not module or running[1].most != rows:
            if running is not None:
                running[1].remove()
            _running[file] = (weakref.ref(module), Capture(module, file, rows))
        return (model,)


class SaveLayerInputs:
    """ComfyUI: writes what was captured until now; put it behind the sampler. The capture goes on with the next prompt."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "halfstep", "save", ("LATENT",), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"samples": ("LATENT",), "file": ("STRING", {"default": "inputs.safetensors"})}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def save(self, samples, file):
        if file not in _running:
            raise ValueError(f"nothing is captured for {file}: put 'Capture layer inputs' with this file before the sampler")
        _running[file][1].write()
        return (samples,)


NODE_CLASS_MAPPINGS = {"HalfstepCaptureLayerInputs": CaptureLayerInputs, "HalfstepSaveLayerInputs": SaveLayerInputs}
NODE_DISPLAY_NAME_MAPPINGS = {"HalfstepCaptureLayerInputs": "Capture layer inputs", "HalfstepSaveLayerInputs": "Save layer inputs"}
