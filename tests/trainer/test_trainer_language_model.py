"""The language model of a run: its texts, its weights, and when it is used."""

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from integration import bundle_maker

from services.trainer import language_model, tuning
from services.trainer.kneser_ney import estimate
from services.trainer.language_model import build, decide, shape
from services.trainer.sentences import Sentences, gather
from services.trainer.tuning import Heard, count_errors, tune
from voxloom import keys
from voxloom.decode import greedy
from voxloom.lm import NgramRecord, Weights, read_arpa
from voxloom.manifest import Utterance, write_csv
from voxloom.storage import FolderStore
from voxloom.tokenizer import CharTokenizer

LETTERS = CharTokenizer.from_alphabet(" abcdefgh")
COMMANDS = ["bed bag", "bag face", "face cafe", "head bed", "dad bag", "cafe bed"]


def mumbled(text: str, seed: int, noise: float = 2.5) -> Heard:
    """Two frames a letter, each followed by a blank, under noise that garbles some letters."""
    ids = [frame for letter in LETTERS.encode(text) for frame in (letter, letter, 0)]
    scores = np.random.default_rng(seed).normal(0, noise, (len(ids), len(LETTERS)))
    scores[np.arange(len(ids)), ids] += 6
    return Heard(text, (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32))


def greedy_errors(heard: Sequence[Heard]) -> int:
    return sum(each.reference.split() != greedy(each.log_probs_SV, LETTERS).text.split() for each in heard)


def test_weights_of_a_command_language_close_the_vocabulary() -> None:
    lm = read_arpa(estimate(dict.fromkeys(COMMANDS, 1), 3))
    heard = [mumbled(random.Random(seed).choice(COMMANDS), seed) for seed in range(60)]
    weights = tune(heard, LETTERS, lm, threads=2)
    assert weights.closed
    assert count_errors(heard, LETTERS, lm, weights, 2) < greedy_errors(heard) / 2


def test_weights_of_an_open_text_leave_it_open() -> None:
    """Half of the words are none that the training texts have."""
    lm = read_arpa(estimate(dict.fromkeys(COMMANDS, 1), 3))
    news = ["bed hedge", "gab beach", "ache bag", "fed face"]
    heard = [mumbled(random.Random(seed).choice(news), seed, noise=2.0) for seed in range(60)]
    weights = tune(heard, LETTERS, lm, threads=2)
    assert not weights.closed
    closed = weights.model_copy(update={"closed": True})
    assert count_errors(heard, LETTERS, lm, weights, 2) < count_errors(heard, LETTERS, lm, closed, 2)


def test_few_words_are_not_tuned_on() -> None:
    lm = read_arpa(estimate(dict.fromkeys(COMMANDS, 1), 3))
    assert tune([mumbled("bed bag", 1)] * 40, LETTERS, lm, threads=1) == Weights()


def test_a_plateau_beats_a_lucky_point() -> None:
    grid = tuning._grid((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (0.0, 1.0, 2.0))
    table = dict.fromkeys(grid, 30)
    table |= {(0, 1): 5}  # alone
    table |= {(row, column): 10 for row in (3, 4, 5) for column in range(3)}
    trials = SimpleNamespace(errors=lambda weights: next(table[at] for at in grid if grid[at] == weights))
    mean, found = tuning._centre(grid, trials)  # type: ignore[arg-type]
    assert (mean, found.alpha, found.beta) == (10, 5.0, 0.0)


def test_the_decoder_with_fewer_errors_on_val_is_served() -> None:
    record = NgramRecord(order=2, words=3, ngrams=[6, 4], sources=[], reason="for a test")
    assert decide(12, 11, 100, Weights(), record).decoder == "beam"
    for errors in (12, 13):
        kept = decide(12, errors, 100, Weights(), record)
        assert kept.decoder == "greedy"
        assert kept.weights  # it travels all the same, and is measured
        assert f"does not help: {errors} word errors with the language model, 12 greedy" in kept.reason


def row(text: str, split: str, source: str = "user_recorded", number: int = 0) -> Utterance:
    name = f"{split}-{source}-{number}"
    return Utterance(
        utterance=name,
        audio_key=f"raw/{source}/anna/{name}.wav",
        text=text,
        language="en",
        speaker="anna",
        source=source,
        corpus="own",
        duration_s=1.0,
        audio_sha256="0" * 64,
        split=split,
    )


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path)
    rows = [
        row("bed bag", "train", number=1),
        row("bed bag", "train", number=2),
        row("bed bag", "train", "tts_generated", 3),
        row("a cafe", "train", "tts_generated", 4),
        row("a cafe", "train", "tts_generated", 5),
        row("a head", "val"),
        row("a face", "test"),
    ]
    for split in ("train", "val", "test"):
        chosen = [each for each in rows if each.split == split]
        store.put_stream(keys.manifest("d-1", split), write_csv(chosen))
    return store


DATASET = SimpleNamespace(dataset="d-1", languages=["en"])


def test_texts_are_those_of_training_and_what_the_user_gave(store: FolderStore) -> None:
    text = b"Bed, dad!\nBed, dad!\nA head.\na FACE\nzebra\n\xff\n\n" + b"x" * 5000 + b"\nHead bed"
    store.put("texts/more.txt", text)
    store.put("texts/readme.md", b"dad dad dad")
    found = gather(store, DATASET, LETTERS)  # type: ignore[arg-type]
    assert found.counts == {"bed bag": 2, "a cafe": 1, "bed dad": 2, "head bed": 1}
    transcripts, more = found.sources
    assert (transcripts.sentences, transcripts.words) == (3, 6)
    assert (more.name, more.sentences, more.words) == ("texts/more.txt", 3, 6)
    assert more.left_out == {
        "held out to measure with": 2,
        "a character that the model cannot write": 1,
        "not UTF-8": 1,
        "longer than 2000 bytes": 1,
    }


def test_too_much_text_is_left_out_and_counted(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.sentences.MAX_WORDS", 4)
    store.put("texts/a.txt", b"bed\n" * 3)
    store.put("texts/b.txt", b"dad\n" * 3)
    first, second = gather(store, DATASET, LETTERS).sources[1:]  # type: ignore[arg-type]
    assert (first.words, second.words) == (3, 1)
    assert second.left_out == {"over 4 words of text": 2}


def test_prompts_that_many_read_count_once_if_that_foresees_val_better() -> None:
    others = dict.fromkeys(("dad head", "dad face", "dad cafe", "fed dad"), 1)
    prompts = Sentences({"bed bag": 50, **others}, [])
    _, once = build(prompts, ["dad bed", "dad bag", "fed dad"])
    _, often = build(prompts, ["bed bag", "bed bag"])
    assert "once" in once.reason
    assert "as often" in often.reason
    assert once.val_perplexity
    assert once.ngrams[0] == once.words + 3


def test_much_text_loses_what_was_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shape(2_000_000)[1] == [1, 1, 2, 2]
    monkeypatch.setattr(language_model, "MAX_BYTES", 3000)
    texts = {" ".join(random.Random(seed).choices(bundle_maker.WORDS, k=6)): 1 for seed in range(60)}
    assert len(estimate(texts, 4)) > 3000 >= len(language_model._bounded(texts, 4, []))
