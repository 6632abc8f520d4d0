"""What a run writes with: the characters of its dataset, or pieces of words, learned from its transcripts."""

import io
from collections import Counter
from collections.abc import Mapping

import sentencepiece

from services.trainer.ranks import ALONE, Ranks
from services.trainer.recipes import Recipe
from services.trainer.sentences import transcripts
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.manifest import DatasetRecord
from voxloom.storage import ObjectStore, exists
from voxloom.tokenizer import (
    SPACE,
    CharTokenizer,
    PieceTokenizer,
    Tokenizer,
    read_tokens_txt,
    single_pieces,
)

_MAX_TEXT_BYTES = 1 << 20  # of one word, or of one sentence where there are no words
_PRIVATE = 0xF0000  # the first of Unicode's private characters of plane 15


def tokenizer_of(
    store: ObjectStore, run: str, dataset: DatasetRecord, recipe: Recipe, ranks: Ranks = ALONE
) -> Tokenizer:
    """The tokenizer of a run. Its pieces are learned once and kept with the run, so that it goes on with the
    same ones, whatever was withdrawn meanwhile; the first rank's are those of all."""
    if not recipe.pieces:
        return CharTokenizer.from_alphabet(dataset.alphabet)
    tokens = _kept_or_learned(store, run, dataset, recipe) if ranks.rank == 0 else b""
    return read_tokens_txt(ranks.from_first(tokens).decode())


def _kept_or_learned(store: ObjectStore, run: str, dataset: DatasetRecord, recipe: Recipe) -> bytes:
    key = keys.run_tokens(run)
    try:
        return store.get(key)
    except NotFound:
        if exists(store, latest := keys.checkpoint(run, "latest.json")):
            raise BadInput(
                f"{key} is gone, and the checkpoints of run {run} are of its pieces; put it back from a "
                f"backup, or remove {latest} to train the run anew"
            ) from None
        learned = learn(transcripts(store, dataset), dataset.alphabet, recipe.pieces)
        tokens = learned.to_tokens_txt().encode()
        store.put(key, tokens)
        return tokens


def learn(counts: Mapping[str, int], alphabet: str, pieces: int) -> PieceTokenizer:
    """At most so many tokens beside the blank, by byte pair encoding, the whole alphabet among them; fewer
    where the texts have no more. The same texts give the same tokens.

    `counts`: texts, and how often each counts. BadInput when there is nothing to learn.
    """
    marks = _marks(set(alphabet).union(*counts) - {" "}) if " " in alphabet else {}
    units: Counter[str] = Counter()
    for text, count in counts.items():
        for word in text.split() if marks else filter(None, [text]):
            units[marks.get(word[0], word[0]) + word[1:]] += count
    singles = single_pieces(alphabet)
    back = str.maketrans({mark: SPACE + letter for letter, mark in marks.items()})
    learned = (piece.translate(back) for piece in _learned(units, pieces))
    found = [piece for piece in learned if set(piece) <= {SPACE, *alphabet} and piece not in singles]
    if not found:
        raise BadInput(
            f"no pieces of words can be learned from {len(counts)} different transcripts; train on "
            "characters: voxloom train --pieces 0"
        )
    return PieceTokenizer.from_pieces(found[: pieces - len(singles)], alphabet)


def _marks(letters: set[str]) -> dict[str, str]:
    """A private character for each letter as the first of a word: to sentencepiece `▁x` is one character."""
    return {letter: chr(_PRIVATE + number) for number, letter in enumerate(sorted(letters))}


def _learned(counts: Mapping[str, int], pieces: int) -> list[str]:
    """sentencepiece's vocabulary in the order of its merges, single characters last."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(f"{text}\t{count}" for text, count in sorted(counts.items())),
            input_format="tsv",
            model_writer=model,
            model_type="bpe",
            vocab_size=pieces + 1,  # it counts the unknown token, and we do not
            hard_vocab_limit=False,  # fewer where there are no more
            character_coverage=1.0,
            add_dummy_prefix=False,
            normalization_rule_name="identity",  # the texts are normalised
            split_by_unicode_script=False,
            split_by_number=False,
            max_sentence_length=_MAX_TEXT_BYTES,
            num_threads=1,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise BadInput(
            f"no pieces of words can be learned from the transcripts: {str(error)[:300]}"
        ) from error
    learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [learned.id_to_piece(index) for index in range(1, len(learned))]
