"""Hot words on AN4: python tests/bench/hot_words.py model.onnx tokens.txt

The hot words are words of four letters and more that the training transcripts hold at most `--rare` times
and the test speakers say. The language model is made of the training transcripts without every sentence that
holds one of them, so that it knows none; its weights are found on val. With --decoys FILE the words of a text
that nobody says are hot too. Printed for greedy decoding, for beam search without hot words, and for each
boost, with and without the language model:

  recall     of the places where the test speakers say a hot word, how many are heard
  false      hot words that are heard where none is said
  WER        of all words of the test set
  10 s       milliseconds of a processor to decode ten seconds of audio, the network aside

and how many transcripts of both searches without hot words are the same.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from an4 import ROOT, read

from services.trainer.kneser_ney import estimate
from services.trainer.tuning import Heard, tune
from voxloom.beam import BeamDecoder
from voxloom.decode import FRAME_S, LogProbs, greedy
from voxloom.engine import Engine
from voxloom.features import fbank
from voxloom.hot_words import HotWords, read_hot_words
from voxloom.lm import LanguageModel, Weights, read_arpa
from voxloom.prefix_search import PrefixSearch
from voxloom.tokenizer import Tokenizer, read_tokens_txt
from voxloom.wer import total, word_edits

BOOSTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
NONE = HotWords({})
Text = Callable[[LogProbs], str]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graph", type=Path)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "examples" / "an4")
    parser.add_argument("--rare", type=int, default=12)
    parser.add_argument("--decoys", type=Path, help="a text whose words are added to the hot ones")
    args = parser.parse_args()
    tokenizer = read_tokens_txt(args.tokens.read_text())
    engine = Engine(args.graph.read_bytes(), threads=1)
    said = Counter(word for clip in read(args.corpus, "train").clips for word in clip.row.text.split())
    val, test = (heard(engine, args.corpus, split) for split in ("val", "test"))
    in_test = Counter(word for each in test for word in each.reference.split())
    wanted = sorted(word for word in in_test if len(word) >= 4 and said[word] <= args.rare)
    print(f"{len(wanted)} hot words, said {sum(in_test[word] for word in wanted)} times: {', '.join(wanted)}")
    lm = without(args.corpus, frozenset(wanted))
    weights = tune(val, tokenizer, lm, 1)
    print(f"language model of {len(lm.words)} words: {weights}")
    decoys = set(args.decoys.read_text().lower().split()) - in_test.keys() if args.decoys else set()
    listed = [*wanted, *sorted(word for word in decoys if len(word) >= 4 and tokenizer.spells(word))]
    print(f"{len(listed)} words are hot")
    compare(test, tokenizer, lm, weights, frozenset(wanted), listed)
    return 0


def heard(engine: Engine, corpus: Path, split: str) -> list[Heard]:
    """Every clip of a split with its log probabilities."""
    clips = read(corpus, split)
    return [
        Heard(clip.row.text, engine.log_probs([fbank(clips.waveform(index))])[0])
        for index, clip in enumerate(clips.clips)
    ]


def without(corpus: Path, words: frozenset[str]) -> LanguageModel:
    """A language model of the training sentences that hold none of the words."""
    texts = [clip.row.text for clip in read(corpus, "train").clips]
    return read_arpa(estimate(Counter(text for text in texts if not words & set(text.split())), 3))


def compare(
    test: list[Heard],
    tokenizer: Tokenizer,
    lm: LanguageModel,
    weights: Weights,
    wanted: frozenset[str],
    listed: list[str],
) -> None:
    print(f"{'':34}{'recall':>8}{'false':>8}{'WER':>9}{'10 s':>9}")
    tell("greedy", test, lambda log_probs: greedy(log_probs, tokenizer).text, wanted)
    served = tell("beam, language model", test, text_of(BeamDecoder(tokenizer, lm, weights)), wanted)
    searches = {
        "no language model": PrefixSearch(tokenizer, weights=Weights(beam=16)),
        "language model": PrefixSearch(tokenizer, lm, weights),
    }
    for name, search in searches.items():
        plain = tell(f"this search, {name}", test, boosted(search, NONE), wanted)
        if search._lm:
            print(f"  {sum(map(str.__eq__, plain, served))} of {len(plain)} as in the beam search above")
        for boost in BOOSTS:
            hot = read_hot_words([(word, boost) for word in listed], "en", tokenizer)
            tell(f"  hot words, boost {boost:g}", test, boosted(search, hot), wanted)


def text_of(decoder: BeamDecoder) -> Text:
    return lambda log_probs: decoder.decode(log_probs).text


def boosted(search: PrefixSearch, hot: HotWords) -> Text:
    return lambda log_probs: search.search(log_probs, hot)[0].text


def tell(name: str, test: list[Heard], decode: Text, wanted: frozenset[str]) -> list[str]:
    start = time.process_time()
    texts = [decode(each.log_probs_SV) for each in test]
    took_s = time.process_time() - start
    audio_s = sum(len(each.log_probs_SV) for each in test) * FRAME_S
    found = false = said = 0
    for each, text in zip(test, texts, strict=True):
        wants, has = (Counter(word for word in t.split() if word in wanted) for t in (each.reference, text))
        found, false, said = (
            found + (wants & has).total(),
            false + (has - wants).total(),
            said + wants.total(),
        )
    wer = total(word_edits(each.reference, text) for each, text in zip(test, texts, strict=True)).rate
    print(
        f"{name:<34}{found / said:>7.0%} {false:>7} {wer:>8.2%}{1e4 * took_s / audio_s:>7.1f} ms", flush=True
    )
    return texts


if __name__ == "__main__":
    raise SystemExit(main())
