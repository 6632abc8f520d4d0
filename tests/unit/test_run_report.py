"""A run's report counts what is in its lines, in bounded size; comparisons are of common utterances."""

from collections import Counter
from pathlib import Path

import pytest
from report_maker import doubted, report_line, report_lines, suspects

from services.trainer import report
from voxloom import keys
from voxloom.cli.run_compare import compare, differing
from voxloom.errors import NotFound
from voxloom.forgotten import add_mark, digest
from voxloom.run_report import HeardUtterance, Result
from voxloom.run_summary import MOST_CONFUSIONS, MOST_SPEAKERS, MOST_WORST, summarise
from voxloom.storage import FolderStore, exists
from voxloom.wer import align_characters, char_edits, total


@pytest.mark.parametrize(("said", "heard"), [("ab  c", "a bc"), ("", "ab"), ("ab", ""), ("abc", "xbcd")])
def test_characters_are_aligned_as_they_are_counted(said: str, heard: str) -> None:
    ops = Counter(op for op, _, _ in align_characters(said, heard))
    edits = char_edits(said, heard)
    assert (ops["substitute"], ops["delete"], ops["insert"]) == (
        edits.substitutions,
        edits.deletions,
        edits.insertions,
    )


def test_the_summary_counts_its_lines() -> None:
    lines = list(report_lines(60))
    results = summarise("r-1", lines).results
    assert [(each.split, each.decoder) for each in results] == [
        ("val", "greedy"),
        ("val", "lm"),
        ("test", "greedy"),
        ("test", "lm"),
    ]
    for result in results:
        _check_counts(result, [each for each in lines if each.split == result.split])


def _check_counts(result: Result, lines: list[HeardUtterance]) -> None:
    edits = [each.heard[result.decoder].words.edits for each in lines]
    words = result.total.words
    assert words.rate == total(edits).errors / words.reference
    assert words.low is not None
    assert words.low <= words.rate <= (words.high or 0)
    for groups in (result.by_source, result.by_speaker, result.by_length):
        assert sum(each.utterances for each in groups) == len(lines)
        for field in ("substitutions", "deletions", "insertions", "reference"):
            assert sum(getattr(each.words, field) for each in groups) == getattr(words, field)
    ops = Counter[str]()
    for each in result.word_confusions:
        ops[each.op] += each.count
    assert dict(ops) == {
        "substitute": words.substitutions,
        "delete": words.deletions,
        "insert": words.insertions,
    }
    worst = [each.words.errors for each in result.worst]
    assert worst == sorted((each.errors for each in edits if each.errors), reverse=True)[:MOST_WORST]


def test_a_large_report_has_a_small_summary() -> None:
    lines = [
        report_line(n, f"w{n} x{n}", greedy=f"y{n}").model_copy(update={"speaker": f"s{n}"})
        for n in range(300)
    ]
    (result,) = summarise("r-1", lines).results
    assert (len(result.by_speaker), result.speakers_left_out) == (MOST_SPEAKERS, 300 - MOST_SPEAKERS)
    assert len(result.worst) == MOST_WORST
    assert len(result.word_confusions) <= 3 * MOST_CONFUSIONS
    assert all(each.words.low is None for each in result.by_speaker)  # an interval over one says nothing


def test_who_is_withdrawn_before_the_end_is_not_in_the_report(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    mark, lines = keys.withdrawn("manifests/d-1"), list(report_lines(20))
    gone = [lines[3].utterance, lines[7].utterance, lines[8].utterance]

    def withdraw(*names: str) -> None:
        add_mark(store, mark, {"test": [digest(each) for each in names]}, "")

    def heard_one_by_one():
        for line in lines:
            if line is lines[12]:
                withdraw(*gone[1:])  # meanwhile
            yield line

    withdraw(gone[0])
    summary = report.store_report(store, "r-1", "d-1", heard_one_by_one())
    kept = [each for each in lines if each.utterance not in gone]
    assert [each.utterance for each in report.read_lines(store, "r-1")] == [each.utterance for each in kept]
    assert summary == report.read_summary(store, "r-1") == summarise("r-1", kept)
    store.delete(keys.run_summary("r-1"))
    assert report.read_summary(store, "r-1") == summary
    assert not exists(store, keys.run_summary("r-1"))


def test_only_what_a_report_speaks_of_can_be_heard(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(NotFound, match="has no report"):
        report.read_summary(store, "r-1")
    with pytest.raises(NotFound, match="has no utterance"):
        report.audio_key(store, "r-1", "u-1")
    evil = report_line(1, "a", greedy="a").model_copy(update={"audio_key": "models/production.json"})
    report.store_report(store, "r-1", "d-1", [report_line(0, "a", greedy="a"), evil])
    assert report.audio_key(store, "r-1", "u-test-0") == "raw/user_recorded/s0/u-test-0.wav"
    with pytest.raises(NotFound, match="has no utterance u-test-1"):
        report.audio_key(store, "r-1", "u-test-1")


def test_suspects_are_heard_and_are_gone_when_they_are_withdrawn(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert report.read_suspects(store, "r-1") is None
    add_mark(store, keys.withdrawn("manifests/d-1"), {"train": [digest("u-train-1")]}, "")
    evil = doubted(3, "a", "b", audio_key="models/production.json")
    report.store_suspects(store, "d-1", suspects(doubted(0, "a", "b"), doubted(1, "a", "b"), evil))
    found = report.read_suspects(store, "r-1")
    assert found is not None
    assert [each.utterance for each in found.suspects] == ["u-train-0", "u-train-3"]
    assert report.audio_key(store, "r-1", "u-train-0") == "raw/user_recorded/s0/u-test-0.wav"
    for gone in ("u-train-1", "u-train-3"):
        with pytest.raises(NotFound, match=f"has no utterance {gone}"):
            report.audio_key(store, "r-1", gone)


def test_runs_are_compared_on_what_both_heard() -> None:
    before = {each.utterance: each for each in report_lines(80, error=0.6)}
    after = {each.utterance: each for each in report_lines(80, seed=1, error=0.0)}
    lone = after.popitem()[0]
    after["u-test-2"] = after["u-test-2"].model_copy(update={"reference": "another text"})
    found = compare("r-a", "r-b", before, after)
    assert (found.only_a, found.only_b) == (2, 1)
    assert found.worse == []
    assert {each.utterance for each in found.better}.isdisjoint({lone, "u-test-2"})
    totals = [each for each in found.differences if not each.source]
    assert [(each.split, each.decoder) for each in totals] == [
        ("test", "greedy"),
        ("test", "lm"),
        ("val", "greedy"),
        ("val", "lm"),
    ]
    assert {each.verdict for each in totals} == {"better"}
    assert all(each.wer_b == 0 < each.wer_a for each in totals)
    back = compare("r-b", "r-a", after, before)
    assert (len(back.worse), back.better) == (len(found.better), [])


def test_a_run_does_not_differ_from_itself() -> None:
    lines = {each.utterance: each for each in report_lines(20)}
    found = compare("r-a", "r-a", lines, lines)
    assert (found.better, found.worse, found.only_a, found.only_b) == ([], [], 0, 0)
    assert {each.verdict for each in found.differences} <= {"no difference shown", "too few to tell"}
    assert compare("r-a", "r-b", lines, {}).differences == []


def test_settings_that_differ_are_told_with_those_that_one_lacks() -> None:
    rows = differing([{"seed": "1", "same": "x"}, {"seed": "2", "same": "x", "new": "y"}])
    assert rows == [("seed", "1", "2"), ("new", "-", "y")]
