"""Recognisers that others trained, on our test clips: python tests/bench/recognisers.py CORPUS ...

  pip install faster-whisper pocketsphinx    # in an environment of its own that has voxloom's
  python tests/bench/recognisers.py examples/an4 --split test --whisper whisper-base-ct2 --pocketsphinx

Reads CORPUS/manifest.tsv (path, text, split), lets each recogniser transcribe the clips of the split, and
prints word error rate and real-time factor. For tests only: nothing of voxloom uses them.

What they write is compared twice: normalised as voxloom does it, numbers as one number; and in the writing
that suits them best, chosen utterance by utterance: digits one by one, in pairs or as one number, capitals
letter by letter or as a word. So nobody is blamed for writing "45" where somebody said "four five".
voxloom's own rate on the same clips: tests/bench/an4.py.
"""

import argparse
import csv
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from num2words import num2words

from voxloom import audio
from voxloom.text import normalize
from voxloom.wer import Edits, total, word_edits

Samples = npt.NDArray[np.float32]
Transcribe = Callable[[Samples], str]
_LONGEST_SPELT = 12  # capitals


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="", help="of the manifest's column; all clips if left out")
    parser.add_argument("--only", type=Path, help="a file of paths, one a line: these clips alone")
    parser.add_argument("--whisper", nargs="+", type=Path, default=[], help="folders with CTranslate2 models")
    parser.add_argument("--pocketsphinx", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    clips = list(read(args.corpus, args.split, args.only))
    print(
        f"{args.corpus.name} {args.split}: {len(clips)} clips, {sum(len(s) for s, _ in clips) / 16000:.0f} s"
    )
    for name, transcribe in recognisers(args):
        report(name, transcribe, clips)
    return 0


def report(name: str, transcribe: Transcribe, clips: list[tuple[Samples, str]]) -> None:
    began = time.perf_counter()
    heard = [(reference, transcribe(samples)) for samples, reference in clips]
    seconds = time.perf_counter() - began
    plain = total(word_edits(reference, normalize(hypothesis, "en")) for reference, hypothesis in heard)
    edits = total(min(ways(*each), key=lambda way: way.errors) for each in heard)
    factor = seconds / (sum(len(samples) for samples, _ in clips) / audio.SAMPLE_RATE_HZ)
    print(f"{name:20} {100 * plain.rate:5.1f} % WER as written, real-time factor {factor:.3f}")
    print(f"{'':20} {100 * edits.rate:5.1f} % in the writing that suits it best, {edits.errors} errors")


def read(corpus: Path, split: str, only: Path | None) -> Iterator[tuple[Samples, str]]:
    wanted = set(only.read_text().split("\n")) if only else None
    with (corpus / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if (not split or row["split"] == split) and (wanted is None or row["path"] in wanted):
                yield audio.decode((corpus / row["path"]).read_bytes()).samples, normalize(row["text"], "en")


def recognisers(args: argparse.Namespace) -> Iterator[tuple[str, Transcribe]]:
    for folder in args.whisper:
        from faster_whisper import WhisperModel

        model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=args.threads)
        yield folder.name, partial(whisper, model)
    if args.pocketsphinx:
        yield "pocketsphinx en-us", pocketsphinx


def whisper(model: Any, samples: Samples) -> str:
    segments, _ = model.transcribe(samples, language="en", beam_size=5)
    return " ".join(segment.text for segment in segments)


def pocketsphinx(samples: Samples) -> str:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=audio.SAMPLE_RATE_HZ, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr if decoder.hyp() else ""


def ways(reference: str, hypothesis: str) -> list[Edits]:
    """Word edits of each way to write the hypothesis."""
    spellings = product((one_by_one, in_pairs, whole), (False, True), ("zero", "oh"))
    return [word_edits(reference, written(hypothesis, *spelling)) for spelling in spellings]


def written(hypothesis: str, number: Callable[[str], str], spelt: bool, zero: str) -> str:
    """In words: digits by `number`, words of capitals as letters if `spelt`."""
    text = re.sub(r"(?<=\d),(?=\d)", "", hypothesis)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda found: num2words(int(found[1]), to="ordinal"), text)
    text = re.sub(r"\d+", lambda found: f" {number(found[0])} ", text)
    if spelt:
        text = re.sub(rf"\b[A-Z][A-Z-]{{1,{_LONGEST_SPELT}}}\b", lambda found: " ".join(found[0]), text)
    return re.sub(r"\bzero\b", zero, normalize(text.replace("-", " "), "en"))


def one_by_one(digits: str) -> str:
    return " ".join(num2words(int(digit)) for digit in digits)


def in_pairs(digits: str) -> str:
    """As years are read: nineteen sixty seven."""
    odd = len(digits) % 2
    pairs = [digits[:1]] * odd + [digits[place : place + 2] for place in range(odd, len(digits), 2)]
    return " ".join(num2words(int(pair)) for pair in pairs)


def whole(digits: str) -> str:
    return str(num2words(int(digits)))


if __name__ == "__main__":
    raise SystemExit(main())
