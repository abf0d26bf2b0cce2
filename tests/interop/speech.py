"""Speech as Whisper takes it: sentences spoken by eSpeak NG, their log-mel spectrograms, and their tokens. By numpy alone.

The package espeakng-loader carries the synthesizer; without it a test skips out loud.
"""
import ctypes
import functools
import json
import pathlib
import re

import support
from support import np

RATE, WINDOW = 16000, 30  # samples a second, and seconds that the model listens to at once
VOICES = ("en-us", "en-us+f3", "en", "en+m3", "en-gb-scotland", "en-us+f5")


class Speaker:
    """eSpeak NG through its C interface (speak_lib.h). The same samples for the same calls of one process."""

    def __init__(self):
        loader = support.needed("espeakng_loader")
        self.library = ctypes.CDLL(loader.get_library_path())
        synchronous = 2
        self.rate = self.library.espeak_Initialize(synchronous, 0, loader.get_data_path().encode(), 0)
        if self.rate <= 0:
            raise OSError(f"eSpeak NG does not start: {self.rate}")
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self.parts = []
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self.callback = callback(self._take)
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, samples, count, _):
        if samples and count > 0:
            self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def __call__(self, text, voice="en-us"):
        """The sentence as samples between -1 and 1, `RATE` a second."""
        self.parts = []
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice}")
        encoded, utf8, characters = text.encode(), 1, 1
        self.library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, characters, 0, utf8, None, None)
        self.library.espeak_Synchronize()
        wave = np.concatenate(self.parts).astype(np.float64) / 32768
        spectrum = np.fft.rfft(wave)
        length = len(wave) * RATE // self.rate
        return (np.fft.irfft(spectrum[: length // 2 + 1], length) * (length / len(wave))).astype(np.float32)


def windows(texts, speaker):
    """(samples, sentences) of each window: as many sentences as fit, a third of a second apart. Every window has another voice."""
    number, parts, said, length = 0, [], [], 0
    pause = np.zeros(RATE // 3, np.float32)
    for text in texts:
        wave = speaker(text, VOICES[number % len(VOICES)])
        if length + len(wave) > RATE * WINDOW and parts:
            yield np.concatenate(parts)[: RATE * WINDOW], said
            number, parts, said, length = number + 1, [], [], 0
        parts += [wave[: RATE * WINDOW - len(pause)], pause]
        said.append(text)
        length += len(wave) + len(pause)


@functools.cache
def mel_filters(bands=80, size=400):
    """[bands, size / 2 + 1]: Slaney's mel scale up to RATE / 2, triangles of area one (librosa.filters.mel)."""
    def hertz(mel):
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))
    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    edges = hertz(np.linspace(0, top, bands + 2))
    bins = np.linspace(0, RATE / 2, size // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]


def log_mel(wave, size=400, step=160):
    """[80, 3000]: the spectrogram of a window, padded with silence (whisper/audio.py)."""
    wave = np.pad(wave.astype(np.float64), (0, RATE * WINDOW - len(wave)))
    wave = np.pad(wave, size // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::step][:-1]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2
    mel = np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return ((np.maximum(mel, mel.max() - 8) + 4) / 4).astype(np.float32)


class Tokenizer:
    """GPT-2's byte pairs with Whisper's words, of the tokenizer.json beside the model."""

    def __init__(self, path):
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        self.number = content["model"]["vocab"]
        merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in content["model"]["merges"]]
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.special = {t["content"]: t["id"] for t in content["added_tokens"]}
        plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
        others = [b for b in range(256) if b not in plain]
        self.letter = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}

    def __call__(self, text):
        words = re.findall(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+", text)
        return [self.number[part] for word in words for part in self.parts("".join(self.letter[b] for b in word.encode()))]

    def parts(self, word):
        parts = list(word)
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            joined, i = [], 0
            while i < len(parts):
                together = tuple(parts[i : i + 2]) == best
                joined.append("".join(best) if together else parts[i])
                i += 2 if together else 1
            parts = joined
        return parts
