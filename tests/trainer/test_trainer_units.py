"""Pieces of words: the same ones each time, put together as sentencepiece does, kept with the run."""

import csv
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import sentencepiece
from swapped import AN4 as CORPUS
from trainer_bench import RECIPE
from trainer_maker import TEXTS, make_dataset, withdraw

from services.trainer.clips import Clips, load_split
from services.trainer.data import training_data
from services.trainer.feasible import TOO_FAST, why_not
from services.trainer.ranks import Ranks
from services.trainer.units import learn, tokenizer_of
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.text import normalize
from voxloom.tokenizer import CharTokenizer, PieceTokenizer, single_pieces


def read_texts() -> Counter[str]:
    """Of AN4's training part, as often as they were said."""
    with (CORPUS / "manifest.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return Counter(normalize(row["text"], "en") for row in rows if row["split"] == "train")


AN4 = read_texts()
_WIDER = 0xFEE0  # from a letter to its full-width form
ALPHABET = "".join(sorted(set("".join(AN4))))


def test_pieces_are_the_same_each_time_and_hold_the_whole_alphabet() -> None:
    first = learn(AN4, ALPHABET + "ñ", 100)
    assert learn(dict(reversed(AN4.items())), ALPHABET + "ñ", 100).symbols == first.symbols
    assert len(first) == 101
    assert first.symbols[1:4] != ("a", "b", "c")
    for text in ("ñ", "ñandu", *(f"{letter} {letter}" for letter in ALPHABET.strip())):
        assert first.decode(first.encode(text)) == text


def test_words_are_put_together_as_sentencepiece_does() -> None:
    """It is shown words with a wide first letter, ａ for a, to tell it from the others as we do."""
    words = Counter(word for text in AN4.elements() for word in text.split())
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(_wide(word) for word, count in sorted(words.items()) for _ in range(count)),
        model_writer=model,
        model_type="bpe",
        vocab_size=120,
        add_dummy_prefix=False,
        normalization_rule_name="identity",
        character_coverage=1.0,
        split_by_unicode_script=False,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocabulary = [_narrow(theirs.id_to_piece(index)) for index in range(1, len(theirs))]
    merges = [piece for piece in vocabulary if len(piece.removeprefix("▁")) > 1]
    ours = PieceTokenizer.from_pieces(merges, ALPHABET)
    for word in words:
        spelled = [ours.symbols[index] for index in ours.encode(word)]
        assert spelled == [_narrow(piece) for piece in theirs.encode(_wide(word), out_type=str)]
    learned = learn(AN4, ALPHABET, 100)
    num_learned = 100 - len(single_pieces(ALPHABET))
    assert num_learned > 40
    assert list(learned.symbols[1 : num_learned + 1]) == merges[:num_learned]


def _wide(word: str) -> str:
    return chr(ord(word[0]) + _WIDER) + word[1:]


def _narrow(piece: str) -> str:
    return f"▁{chr(ord(piece[0]) - _WIDER)}{piece[1:]}" if ord(piece[0]) > _WIDER else piece


def test_fewer_pieces_where_the_texts_have_no_more() -> None:
    found = learn({"ab ab": 3}, " ab", 500)
    assert found.symbols == ("<blk>", "▁ab", "▁a", "▁b", "a", "b")
    with pytest.raises(BadInput, match="no pieces of words can be learned from 1 different"):
        learn({"a b": 3}, " ab", 500)
    with pytest.raises(BadInput, match="no pieces of words can be learned"):
        learn({}, " ab", 500)


def test_a_run_keeps_its_pieces(tmp_path: Path) -> None:
    """It goes on with them when what they were learned from was withdrawn."""
    store, dataset, _ = make_dataset(tmp_path / "store")
    recipe = replace(RECIPE, pieces=12)
    first = tokenizer_of(store, "r-1", dataset, recipe)
    assert isinstance(first, PieceTokenizer)
    assert store.get(keys.run_tokens("r-1")).decode() == first.to_tokens_txt()
    withdraw(store, dataset, *(f"train-{number:03d}" for number in range(12) if number % 4))  # "ab c" stays
    assert tokenizer_of(store, "r-1", dataset, recipe).symbols == first.symbols
    assert tokenizer_of(store, "r-2", dataset, recipe).symbols != first.symbols
    store.delete(keys.run_tokens("r-1"))
    store.put(keys.checkpoint("r-1", "latest.json"), b"{}")
    with pytest.raises(BadInput, match=r"runs/r-1/tokens.txt is gone"):
        tokenizer_of(store, "r-1", dataset, recipe)
    characters = tokenizer_of(store, "r-3", dataset, RECIPE)
    assert characters.symbols == CharTokenizer.from_alphabet(dataset.alphabet).symbols


def test_all_ranks_have_the_pieces_of_the_first(tmp_path: Path) -> None:
    store, dataset, _ = make_dataset(tmp_path / "store")

    class Other(Ranks):
        def from_first(self, data: bytes) -> bytes:
            assert data == b""  # it learned nothing itself
            return store.get(keys.run_tokens("r-1"))

    recipe = replace(RECIPE, pieces=12)
    first = tokenizer_of(store, "r-1", dataset, recipe)
    assert tokenizer_of(store, "r-1", dataset, recipe, Other(1, 2)).symbols == first.symbols


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    store, dataset, _ = make_dataset(tmp_path / "store")
    return load_split(store, dataset, "train", tmp_path, lambda done, total: None)


def test_joined_clips_are_one_text(clips: Clips) -> None:
    """In pieces the beginning of a word says that another one has ended: nothing stands between two texts."""
    for tokenizer in (learn(Counter(TEXTS), " abc", 12), CharTokenizer.from_alphabet(" abc")):
        data, _ = training_data(clips, tokenizer, replace(RECIPE, concatenate=1.0), seed=1)
        item = next(item for batch in data.batches(0, easy=False) for item in batch if len(item) > 2)
        text = " ".join(clips.clips[draw.index].row.text for draw in item)
        assert data.load([item], 0, easy=False).targets_BU[0].tolist() == tokenizer.encode(text)


def test_what_is_too_fast_is_counted_in_pieces(clips: Clips) -> None:
    """Fewer tokens need fewer frames: fast speech that characters leave out is learned from."""
    fast = replace(clips.clips[0], num_samples=16000 * 12 // 100)  # 3 frames of CTC for "ab c"
    pieces, characters = learn(Counter(TEXTS), " abc", 12), CharTokenizer.from_alphabet(" abc")
    assert why_not(fast, characters, RECIPE) == TOO_FAST
    assert why_not(fast, pieces, RECIPE) == ""
    data, left_out = training_data(Clips([fast], clips.samples), pieces, RECIPE, seed=1)
    assert (data.planner.frames_needed, left_out) == ([len(pieces.encode("ab c"))], 0)
