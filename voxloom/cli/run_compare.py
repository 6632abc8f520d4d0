"""Two or three runs side by side: settings that differ, errors on the utterances that all of them heard."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from voxloom.cli.output import percent, say, table
from voxloom.cli.run_curves import source_name
from voxloom.run_report import HeardUtterance
from voxloom.wer import Paired, paired_bootstrap, total

Lines = Mapping[str, HeardUtterance]  # by utterance
_MOST_CHANGES = 5
_FEWEST = 5  # utterances; an interval over fewer tells nothing


@dataclass(frozen=True)
class Difference:
    """Run b against run a on common utterances; a negative `paired.delta` means that b makes fewer errors."""

    split: str
    decoder: str
    source: str  # "" for all
    utterances: int
    words: int
    wer_a: float
    wer_b: float
    paired: Paired | None  # None over too few utterances

    @property
    def verdict(self) -> str:
        if self.paired is None:
            return "too few to tell"
        if self.paired.high < 0:
            return "better"
        return "worse" if self.paired.low > 0 else "no difference shown"


@dataclass(frozen=True)
class Change:
    """An utterance on which b makes more or fewer word errors than a."""

    utterance: str
    split: str
    decoder: str
    reference: str
    heard_a: str
    heard_b: str
    errors_a: int
    errors_b: int


@dataclass(frozen=True)
class Comparison:
    a: str
    b: str
    differences: list[Difference]
    better: list[Change]  # on b, most first
    worse: list[Change]
    only_a: int  # utterances that the other has not heard, or with another text
    only_b: int


def compare(a: str, b: str, lines_a: Lines, lines_b: Lines) -> Comparison:
    """What is common: the same utterance with the same text in the same split."""
    pairs = [(one, lines_b[key]) for key, one in sorted(lines_a.items()) if _same(one, lines_b.get(key))]
    changes = [each for pair in pairs for each in _changes(*pair)]
    better = sorted((each for each in changes if each.errors_b < each.errors_a), key=_gain)
    worse = sorted((each for each in changes if each.errors_b > each.errors_a), key=_gain, reverse=True)
    only_a, only_b = len(lines_a) - len(pairs), len(lines_b) - len(pairs)
    return Comparison(a, b, list(_differences(pairs)), better, worse, only_a, only_b)


def _same(one: HeardUtterance, other: HeardUtterance | None) -> bool:
    return other is not None and (one.reference, one.split) == (other.reference, other.split)


def _gain(change: Change) -> int:
    return change.errors_b - change.errors_a


def _differences(pairs: Sequence[tuple[HeardUtterance, HeardUtterance]]) -> Iterable[Difference]:
    for split in ("test", "val"):
        of_split = [pair for pair in pairs if pair[0].split == split]
        for decoder in _common_decoders(of_split):
            yield _difference(split, decoder, "", of_split)
            sources = sorted({one.source for one, _ in of_split})
            for source in sources if len(sources) > 1 else ():
                of_source = [pair for pair in of_split if pair[0].source == source]
                yield _difference(split, decoder, source, of_source)


def _common_decoders(pairs: Sequence[tuple[HeardUtterance, HeardUtterance]]) -> list[str]:
    """Those with which all of the utterances were heard, on both sides."""
    sets = [set(each.heard) for pair in pairs for each in pair]
    return sorted(set.intersection(*sets)) if sets else []


def _difference(
    split: str, decoder: str, source: str, pairs: Sequence[tuple[HeardUtterance, HeardUtterance]]
) -> Difference:
    edits_a = [one.heard[decoder].words.edits for one, _ in pairs]
    edits_b = [other.heard[decoder].words.edits for _, other in pairs]
    a, b = total(edits_a), total(edits_b)
    paired = paired_bootstrap(edits_a, edits_b) if len(pairs) >= _FEWEST else None
    rates = (a.errors / max(a.reference, 1), b.errors / max(b.reference, 1))
    return Difference(split, decoder, source, len(pairs), a.reference, *rates, paired)


def _changes(one: HeardUtterance, other: HeardUtterance) -> Iterable[Change]:
    for decoder in sorted(set(one.heard) & set(other.heard)):
        a, b = one.heard[decoder], other.heard[decoder]
        if a.words.errors != b.words.errors:
            texts = (one.reference, a.text, b.text)
            yield Change(one.utterance, one.split, decoder, *texts, a.words.errors, b.words.errors)


def differing(settings: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Names of settings that are not the same in all runs, with their values; - where there is none."""
    names = dict.fromkeys(name for each in settings for name in each)
    rows = [(name, *(each.get(name, "-") for each in settings)) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1]


def tell_settings(runs: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    say("settings that differ" if rows else "all settings are the same", "bold")
    if rows:
        table(("", *runs), rows)


def tell(comparison: Comparison) -> None:
    say()
    say(f"{comparison.b} against {comparison.a}", "bold")
    if comparison.only_a or comparison.only_b:
        lone = f"{comparison.only_a} utterances of {comparison.a}, {comparison.only_b} of the other"
        say(f"not compared: {lone}")
    if not comparison.differences:
        say("they have no utterance in common")
        return
    table(
        ("split", "decoder", "source", "utterances", "WER before", "WER now", "change in points, 95 %", ""),
        map(_row, comparison.differences),
    )
    _tell_changes("got better", comparison.better)
    _tell_changes("got worse", comparison.worse)


def _row(difference: Difference) -> tuple[object, ...]:
    rates = (percent(difference.wer_a), percent(difference.wer_b))
    source = source_name(difference.source) or "all"
    where = (difference.split, difference.decoder, source, difference.utterances)
    return (*where, *rates, points(difference), difference.verdict)


def points(difference: Difference) -> str:
    """-1.3 (-2.4 to -0.2)"""
    delta = 100 * (difference.wer_b - difference.wer_a)
    if difference.paired is None:
        return f"{delta:+.1f}"
    low, high = 100 * difference.paired.low, 100 * difference.paired.high
    return f"{delta:+.1f} ({low:+.1f} to {high:+.1f})"


def _tell_changes(how: str, changes: Sequence[Change]) -> None:
    say(f"{len(changes)} {how}", "bold")
    for each in changes[:_MOST_CHANGES]:
        counts = f"{each.errors_a} errors before, {each.errors_b} now"
        say(f"{each.utterance} ({each.split}, {each.decoder}): {counts}")
        say(f"  said   {each.reference}", "dim")
        say(f"  before {each.heard_a or '(nothing)'}", "dim")
        say(f"  now    {each.heard_b or '(nothing)'}", "dim")
