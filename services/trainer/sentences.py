"""The texts of a language model: training transcripts and what the user put into the store. No torch."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from voxloom import keys
from voxloom.corpora.sentences import sentence_key
from voxloom.lm import TextSource
from voxloom.manifest import DatasetRecord, SplitName, Utterance, read_csv
from voxloom.storage import ObjectStore, list_all
from voxloom.text import normalize
from voxloom.tokenizer import Tokenizer

MAX_WORDS = 20_000_000  # of the user's texts: what is counted in a few minutes and memory that a trainer has
MAX_LINE = 2_000  # bytes: longer lines are paragraphs, not sentences
NOT_UTF8 = "not UTF-8"
_TRANSCRIPTS = "transcripts of the training part"
_SYNTHETIC = "tts_generated"


@dataclass(frozen=True)
class Sentences:
    """What a language model learns from: normalised sentences, how often each was said, and where from."""

    counts: dict[str, int]
    sources: list[TextSource]

    @property
    def num_words(self) -> int:
        return sum(len(text.split()) * count for text, count in self.counts.items())


def gather(store: ObjectStore, dataset: DatasetRecord, tokenizer: Tokenizer) -> Sentences:
    """Of val and test nothing: their sentences are left out of the user's texts, and counted."""
    counts, transcripts = _transcripts(_rows(store, dataset, "train"))
    reader = text_reader(store, dataset, tokenizer)
    sources = [transcripts]
    for info in list_all(store, keys.TEXTS):
        if info.key.endswith(".txt"):
            with store.open(info.key) as file:
                found, source = reader.read(file, info.key)
            counts.update(found)
            sources.append(source)
    return Sentences(dict(counts), sources)


def transcripts(store: ObjectStore, dataset: DatasetRecord) -> dict[str, int]:
    """Of the training part: each sentence and how often it counts."""
    return dict(_transcripts(_rows(store, dataset, "train"))[0])


def text_reader(store: ObjectStore, dataset: DatasetRecord, tokenizer: Tokenizer) -> "TextReader":
    """In the language of the dataset, without its sentences of val and test."""
    held_out = {sentence_key(row.text) for split in ("val", "test") for row in _rows(store, dataset, split)}
    return TextReader(next(iter(dataset.languages), ""), tokenizer, held_out)


def _rows(store: ObjectStore, dataset: DatasetRecord, split: SplitName) -> Iterator[Utterance]:
    with store.open(keys.manifest(dataset.dataset, split)) as file:
        yield from read_csv(file)


def _transcripts(rows: Iterator[Utterance]) -> tuple[Counter[str], TextSource]:
    """A sentence counts as often as people said it; one that was only synthesised counts once."""
    said: Counter[str] = Counter()
    synthesised = set()
    for row in rows:
        if row.source == _SYNTHETIC:
            synthesised.add(row.text)
        else:
            said[row.text] += 1
    said.update(synthesised - said.keys())
    words = sum(len(text.split()) * count for text, count in said.items())
    return said, TextSource(name=_TRANSCRIPTS, sentences=said.total(), words=words)


@dataclass
class TextReader:
    """Reads the user's texts, a sentence a line; what it cannot use is counted by reason."""

    language: str
    tokenizer: Tokenizer | None  # None: whatever letters there are
    held_out: set[str]
    room: int = field(default_factory=lambda: MAX_WORDS)  # words that may still be taken
    foreign: Counter[str] = field(default_factory=Counter)  # characters that the tokenizer lacks

    def read(self, file: BinaryIO, name: str) -> tuple[Counter[str], TextSource]:
        counts: Counter[str] = Counter()
        left_out: Counter[str] = Counter()
        digest, words = hashlib.sha256(), 0
        for line in _lines(file, digest, left_out):
            text = normalize(line, self.language)
            if reason := self._fault(text, words):
                left_out[reason] += 1
            elif text:
                counts[text] += 1
                words += len(text.split())
        self.room -= words
        source = TextSource(
            name=name,
            sentences=counts.total(),
            words=words,
            sha256=digest.hexdigest(),
            left_out=dict(left_out),
        )
        return counts, source

    def _fault(self, text: str, words: int) -> str:
        if words >= self.room:
            return f"over {MAX_WORDS} words of text"
        if self.tokenizer and not self.tokenizer.spells(text):
            self.foreign.update(each for each in text if not self.tokenizer.spells(each))
            return "a character that the model cannot write"
        return "held out to measure with" if sentence_key(text) in self.held_out else ""


def _lines(file: BinaryIO, digest: "hashlib._Hash", left_out: Counter[str]) -> Iterator[str]:
    while line := file.readline(MAX_LINE + 1):
        digest.update(line)
        if len(line) > MAX_LINE:
            left_out[f"longer than {MAX_LINE} bytes"] += 1
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
                digest.update(line)
            continue
        try:
            yield line.decode("utf-8-sig")
        except UnicodeDecodeError:
            left_out[NOT_UTF8] += 1
