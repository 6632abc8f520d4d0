"""Lines of a run's report, made up: utterances of several speakers and sources, heard more or less well."""

import random
from collections.abc import Iterator

from voxloom.run_report import Counted, Heard, HeardUtterance, Suspect, Suspects
from voxloom.wer import char_edits, word_edits

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def heard_as(reference: str, hypothesis: str) -> Heard:
    words, characters = word_edits(reference, hypothesis), char_edits(reference, hypothesis)
    return Heard(text=hypothesis, words=Counted.of(words), characters=Counted.of(characters))


def report_line(number: int, reference: str, *, split: str = "test", **heard: str) -> HeardUtterance:
    source, speaker = ("user_recorded", "commonvoice")[number % 2], f"s{number % 3}"
    return HeardUtterance(
        utterance=f"u-{split}-{number}",
        split=split,  # type: ignore[arg-type]
        source=source,
        corpus="c",
        speaker=speaker,
        duration_s=0.5 + number % 20,
        audio_key=f"raw/{source}/{speaker}/u-{split}-{number}.wav",
        reference=reference,
        heard={name: heard_as(reference, text) for name, text in heard.items()},
    )


def doubted(number: int, reference: str, heard: str, **fields: str) -> Suspect:
    line = report_line(number, reference)
    told = {name: getattr(line, name) for name in ("source", "speaker", "duration_s", "audio_key")}
    given = {"utterance": f"u-train-{number}", "split": "train", "doubt": 2.0, "score": 20.0 - number}
    return Suspect(**{**told, **given, "reference": reference, "heard": heard, **fields})


def suspects(*found: Suspect, run: str = "r-1") -> Suspects:
    return Suspects(
        run=run, scored=100, not_scored={"too_fast_for_ctc": 2}, found=9, rule="r", suspects=[*found]
    )


def report_lines(count: int = 30, seed: int = 0, error: float = 0.3) -> Iterator[HeardUtterance]:
    """Half test, half val; `lm` makes half as many errors. The texts do not depend on the seed."""
    texts, slips = random.Random(1), random.Random(seed)
    for number in range(count):
        said = texts.choices(WORDS, k=texts.randint(1, 6))
        heard = {
            name: _worsened(said, slips, share) for name, share in (("greedy", error), ("lm", error / 2))
        }
        yield report_line(number, " ".join(said), split=("test", "val")[number % 2], **heard)


def _worsened(said: list[str], slips: random.Random, share: float) -> str:
    """Words replaced, left out and put in."""
    heard = []
    for word in said:
        kind = slips.choice(("other", "none", "more")) if slips.random() < share else ""
        heard += {"other": [slips.choice(WORDS)], "none": [], "more": [word, "uh"]}.get(kind, [word])
    return " ".join(heard)
