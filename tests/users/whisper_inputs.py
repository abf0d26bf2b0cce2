"""What flows into the linear layers of Whisper tiny.en while it writes down what it hears, by numpy alone.

capture(file, model_folder, texts, windows) returns ({layer: inputs [n, 384 or 1536]}, {layer: the layer whose inputs it shares}, share):
the first sentences, as many as fill the windows of 30 seconds, are spoken by eSpeak NG, and the decoder is given the right words so far,
of which `share` are its own first choice.
"""
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import speech  # noqa: E402
from bert_inputs import erf  # noqa: E402
from support import np  # noqa: E402


def gelu(x):
    return (x * 0.5 * (1 + erf(x / np.sqrt(np.float32(2))))).astype(np.float32)


def convolved(x, weight, bias, stride):
    """x [length, channels] with weight [out, channels, 3], one zero at each end."""
    x = np.pad(x, ((1, 1), (0, 0)))
    length = (len(x) - 3) // stride + 1
    return sum(x[k : k + stride * length : stride][:length] @ weight[:, :, k].T for k in range(3)) + bias


class Whisper:
    """The forward pass, which shows `seen(layer, inputs)` what each linear layer is given."""

    heads, epsilon = 6, 1e-5

    def __init__(self, file, seen):
        self.tensors = {name: file.floats(name) for name in file.tensors}
        self.seen = seen

    def blocks(self, half):
        return 1 + max(int(n.split(".")[3]) for n in self.tensors if n.startswith(f"model.{half}.layers."))

    def linear(self, name, x):
        self.seen(name, x)
        return x @ self.tensors[name + ".weight"].T + self.tensors.get(name + ".bias", np.float32(0))

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    def attention(self, name, x, context, causal=False):
        def split(y):
            return y.reshape(len(y), self.heads, -1).transpose(1, 0, 2)
        query, key, value = (split(self.linear(f"{name}.{part}", of)) for part, of in (("q_proj", x), ("k_proj", context), ("v_proj", context)))
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        if causal:
            scores += np.triu(np.full(scores.shape[1:], -np.inf, np.float32), 1)
        np.exp(np.subtract(scores, scores.max(-1, keepdims=True), out=scores), out=scores)
        mixed = scores @ value / scores.sum(-1, keepdims=True)
        return self.linear(name + ".out_proj", mixed.transpose(1, 0, 2).reshape(len(x), -1))

    def mlp(self, name, x):
        return self.linear(name + ".fc2", gelu(self.linear(name + ".fc1", self.norm(name + ".final_layer_norm", x))))

    def encode(self, mel):
        """[1500, 384] of a spectrogram [80, 3000]."""
        t, x = self.tensors, mel.T
        for conv, stride in (("model.encoder.conv1", 1), ("model.encoder.conv2", 2)):
            x = gelu(convolved(x, t[conv + ".weight"], t[conv + ".bias"], stride))
        x = x + t["model.encoder.embed_positions.weight"]
        for i in range(self.blocks("encoder")):
            name = f"model.encoder.layers.{i}"
            y = self.norm(name + ".self_attn_layer_norm", x)
            x = x + self.attention(name + ".self_attn", y, y)
            x = x + self.mlp(name, x)
        return self.norm("model.encoder.layer_norm", x)

    def decode(self, tokens, heard):
        """The first choice for the token behind each of `tokens`."""
        t = self.tensors
        x = t["model.decoder.embed_tokens.weight"][tokens] + t["model.decoder.embed_positions.weight"][: len(tokens)]
        for i in range(self.blocks("decoder")):
            name = f"model.decoder.layers.{i}"
            y = self.norm(name + ".self_attn_layer_norm", x)
            x = x + self.attention(name + ".self_attn", y, y, causal=True)
            x = x + self.attention(name + ".encoder_attn", self.norm(name + ".encoder_attn_layer_norm", x), heard)
            x = x + self.mlp(name, x)
        return (self.norm("model.decoder.layer_norm", x) @ t["model.decoder.embed_tokens.weight"].T).argmax(-1)


def owner_of(layer):
    """The first layer that is given the same inputs: queries of self-attention, and of what was heard the decoder's first keys."""
    if ".encoder_attn.k_proj" in layer or ".encoder_attn.v_proj" in layer:
        return "model.decoder.layers.0.encoder_attn.k_proj"
    return layer.replace(".self_attn.k_proj", ".self_attn.q_proj").replace(".self_attn.v_proj", ".self_attn.q_proj")


def capture(file, folder, texts, windows):
    rows, aliases = {}, {}

    def seen(layer, x):
        owner = owner_of(layer)
        if owner != layer:
            aliases[layer] = owner
        else:
            rows.setdefault(layer, []).append(x.copy())
    model, tokenizer = Whisper(file, seen), speech.Tokenizer(pathlib.Path(folder) / "tokenizer.json")
    start = [tokenizer.special["<|startoftranscript|>"], tokenizer.special["<|notimestamps|>"]]
    right = known = 0
    for wave, said in itertools.islice(speech.windows(texts, speech.Speaker()), windows):
        words = tokenizer(" " + " ".join(said))
        chosen = model.decode(start + words, model.encode(speech.log_mel(wave)))
        right += int((chosen[1:-1] == words).sum())
        known += len(words)
    return {layer: np.concatenate(parts) for layer, parts in rows.items()}, aliases, right / known
