"""Wrong transcripts are found: exactly by the numbers, and on real speech by a model that heard them too."""

from collections import Counter
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from swapped import read_an4, swap
from trainer_maker import make_dataset, utterance

from services.trainer import suspects
from services.trainer.clips import Clips, load_split
from services.trainer.data import Features, training_data
from services.trainer.feasible import TOO_FAST
from services.trainer.metrics import MetricsLog
from services.trainer.model import Recogniser
from services.trainer.recipes import RECIPES
from services.trainer.suspects import doubt, find_suspects
from services.trainer.train import Hooks, Task, new_state, train
from services.trainer.units import learn
from voxloom.storage import FolderStore
from voxloom.tokenizer import CharTokenizer, Tokenizer

RECIPE = RECIPES["smoke"]
WORDS = {"YES", "NO", "GO", "STOP", "HELP", "START", "REPEAT"}


def random_log_probs(frames: int, symbols: int, seed: int = 0) -> np.ndarray:
    scores_SV = np.random.default_rng(seed).normal(0, 2, (frames, symbols))
    return (scores_SV - np.log(np.exp(scores_SV).sum(axis=1, keepdims=True))).astype(np.float32)


def collapse(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in groupby(path) if token]


@pytest.mark.parametrize("tokens", [[1], [1, 2], [2, 2], [1, 2, 1]])
def test_the_doubt_is_that_of_the_best_of_all_paths(tokens: list[int]) -> None:
    log_probs_SV = random_log_probs(6, 3)
    paths = (path for path in product(range(3), repeat=6) if collapse(path) == tokens)
    best = max(sum(log_probs_SV[frame, token] for frame, token in enumerate(path)) for path in paths)
    expected = (log_probs_SV.max(axis=1).sum() - best) / max(len(tokens), 4)
    assert doubt(log_probs_SV, tokens, heard=4) == pytest.approx(expected, abs=1e-5)


def test_nothing_is_doubted_in_what_is_heard() -> None:
    log_probs_SV = random_log_probs(40, 12)
    heard = collapse(tuple(log_probs_SV.argmax(axis=1)))
    assert doubt(log_probs_SV, heard, len(heard)) == pytest.approx(0, abs=1e-5)
    assert doubt(log_probs_SV, [*heard[1:], heard[0]], len(heard)) > 0


def test_what_cannot_be_scored_is_counted_by_reason(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store")
    found = load_split(store, dataset, "train", tmp_path, lambda done, total: None)
    tokenizer = CharTokenizer.from_alphabet(dataset.alphabet)
    texts = {0: "abcabcabcabcabcabcabcabcabc", 1: "abz"}
    for index, text in texts.items():
        clip = found.clips[index]
        found.clips[index] = replace(clip, row=clip.row.model_copy(update={"text": text}))
    model, told = Recogniser(RECIPE.model, len(tokenizer)), list[tuple[int, int]]()
    splits = {"train": Features(found, RECIPE)}
    result = find_suspects(
        "r-1", model, splits, tokenizer, lambda *done: told.append(done), {"longer_than_recipe_allows": 2}
    )
    assert result.scored == len(found.clips) - 2
    assert result.not_scored == {
        TOO_FAST: 1,
        "a character that the model cannot write": 1,
        "longer_than_recipe_allows": 2,
    }
    assert told == [(number, 12) for number in range(1, 13)]


def test_each_source_is_held_against_itself_and_the_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that the model hears badly throughout is not suspect throughout."""
    monkeypatch.setattr(suspects, "MOST", 5)
    rng = np.random.default_rng(0)
    easy, hard = (rng.normal(mean, spread, 200) for mean, spread in ((0.2, 0.05), (2.0, 0.3)))
    tallies = {name: suspects._Tally() for name in ("easy", "hard")}
    for name, doubts in (("easy", [*easy, *[3.0] * 8]), ("hard", [*hard, 6.0])):
        for number, each in enumerate(doubts):
            tallies[name].add(suspect(f"{name}-{number:03d}", name, float(each)))
    found = suspects._summary("r-1", tallies, {})
    assert (found.scored, found.found, len(found.suspects)) == (409, 9, 5)
    assert {each.doubt for each in found.suspects} <= {3.0, 6.0}
    scores = [each.score for each in found.suspects]
    assert scores == sorted(scores, reverse=True)


def suspect(name: str, source: str, doubt: float) -> suspects.Suspect:
    row = utterance(name, "abc", 1.0)
    fields = {field: getattr(row, field) for field in ("utterance", "split", "speaker", "duration_s")}
    return suspects.Suspect(
        **fields,
        source=source,
        audio_key=row.audio_key,
        reference="abc",
        heard="a",
        doubt=doubt,
        score=0,
    )


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [0, 24])
def test_swapped_transcripts_of_real_speech_are_the_first_suspects(pieces: int, tmp_path: Path) -> None:
    """The model is trained on them; nobody tells it which are wrong."""
    clips = read_an4(lambda text: text in WORDS)
    wrong = swap(clips, 0.06, seed=2)
    alphabet = "".join(WORDS).lower()
    texts = Counter(clip.row.text for clip in clips.clips)
    tokenizer = learn(texts, alphabet, pieces) if pieces else CharTokenizer.from_alphabet(alphabet)
    model, splits = trained(clips, tokenizer, tmp_path), {"train": Features(clips, RECIPE)}
    found = find_suspects("r-1", model, splits, tokenizer, lambda *done: None, {})
    first = [each.utterance for each in found.suspects][: len(wrong) + 4]
    assert found.scored == len(clips.clips) > 90
    assert len(wrong & set(first)) > len(wrong) / 2


def trained(clips: Clips, tokenizer: Tokenizer, folder: Path) -> Recogniser:
    """A small model after some seconds: unmasked, without what makes long trainings better."""
    recipe = replace(
        RECIPE,
        model=replace(RECIPE.model, width=48, blank_bias=3.0, dropout=0.0, skip=0.0),
        epochs=20,
        batch_s=5.0,
        learning_rate=3e-3,
        warmup_steps=30,
        consistency_weight=0.0,
        chunk_probability=0.0,
        room_probability=0.0,
        concatenate=0.0,
    )
    data, _ = training_data(clips, tokenizer, recipe, seed=1)
    task = Task(recipe, 1, 0.0, data, Features(Clips([], clips.samples), recipe), tokenizer, threads=1)
    hooks = Hooks(
        log=MetricsLog(FolderStore(folder), "r-1", 0, lambda line: None),
        save=lambda state: None,
        save_best=lambda state, wer, cer: None,
        should_stop=lambda: False,
        lap=lambda: 0.1,
    )
    return train(task, new_state(task), hooks).average
