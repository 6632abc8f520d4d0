"""A snapshot on disk keeps the rules of Law 7, chooses by a mix, and finds copies of one recording."""

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshot_oracle import snapshot_in_lists

from services.ingest.records import Drop, Found, pair_up
from services.ingest.refusals import ReportLine
from services.ingest.snapshot import Snapshot, take_snapshot
from services.ingest.split import OWN, point, sentence_key
from voxloom import fingerprint
from voxloom.manifest import AudioLevels, RawUtterance, Shortfall, Utterance
from voxloom.mix import PRESETS, Mix, Share

_ids = itertools.count()


def raw(text: str = "", **fields: Any) -> RawUtterance:
    number = next(_ids)
    values = {
        "utterance": f"u{number}",
        "source": "imported",
        "corpus": "c",
        "speaker": "c-anna",
        "speaker_name": "anna",
        "audio_sha256": str(number),
        "created_at": f"{number:06d}",
    } | fields
    levels = AudioLevels(
        duration_s=values.pop("duration_s", 5.0),
        peak_dbfs=-3,
        rms_dbfs=-20,
        clipped_fraction=0,
        source_sample_rate_hz=16000,
        source_channels=1,
    )
    return RawUtterance(text=text or f"sentence {number}", levels=levels, **values)


def found(*records: RawUtterance) -> list[Found]:
    return [Found(each.utterance, each.source, each) for each in records]


def splits(snapshot: Snapshot) -> dict[str, str]:
    return {row.utterance: row.split for row in snapshot.rows()}


def sentence_of(split: str, number: int = 0) -> str:
    texts = (f"prompt {i}" for i in itertools.count())
    fitting = (text for text in texts if OWN.split_at(point("sentence", sentence_key(text))) == split)
    return next(itertools.islice(fitting, number, None))


crowded = st.lists(
    st.builds(
        raw,
        text=st.sampled_from(["yes", "no", "maybe so", "go", "?", "prompt 3", "prompt 13", "x" * 200]),
        utterance=st.sampled_from([f"u{i}" for i in range(20)]),
        source=st.sampled_from(["user_recorded", "commonvoice", "commonvoice", "tts_generated", "imported"]),
        corpus=st.sampled_from(["a", "b", "c"]),
        speaker=st.sampled_from(["c-14", "c-77", "c-1", "c-2"]),  # one of val, one of test, two of train
        speaker_name=st.sampled_from(["", "anna"]),
        published_split=st.sampled_from([None, None, "train", "val", "test"]),
        audio_sha256=st.sampled_from([str(i) for i in range(30)]),
        created_at=st.sampled_from(["2025", "2026"]),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(crowded, st.sampled_from([None, Drop.RECORD_UNREADABLE, Drop.AUDIO_MISSING]))
def test_on_disk_it_is_what_it_is_in_lists(records: list[RawUtterance], fault: Drop | None) -> None:
    stored = found(*records)
    if fault:
        stored.append(Found("u1", "imported", None if fault is Drop.RECORD_UNREADABLE else raw(), fault))
    kept, dropped, overlapping = snapshot_in_lists(stored)
    with take_snapshot(stored) as snapshot:
        assert splits(snapshot) == kept
        assert snapshot.dropped_by_reason == dropped
        assert snapshot.overlapping_test_sentences == overlapping
        assert [row.utterance for row in snapshot.rows()] == sorted(kept)
        assert snapshot.stored == len({each.utterance for each in stored})


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_in_which_records_are_read_changes_nothing(order: list[int]) -> None:
    records = [
        raw(f"text {i % 5}", utterance=f"u{i}", audio_sha256=str(i % 7), created_at=f"{i:02d}")
        for i in range(12)
    ]
    with take_snapshot(found(*records)) as a, take_snapshot(found(*(records[i] for i in order))) as b:
        assert a.dataset == b.dataset
        assert a.dropped == b.dropped


def test_a_kept_published_split_may_overlap_with_itself_only() -> None:
    test, train = (raw("yes", corpus="an4", published_split=split) for split in ("test", "train"))
    # Synthetic speech of the sentence leaks; what another corpus holds out is not trained on from an4 either.
    own = raw("yes", corpus="own", source="tts_generated")
    held_out = raw("no", corpus="other", published_split="val")
    leaking = raw("no", corpus="an4", published_split="train", speaker="c-1")
    with take_snapshot(found(test, train, own, held_out, leaking)) as snapshot:
        assert set(splits(snapshot)) == {each.utterance for each in (test, train, held_out)}
        assert snapshot.overlapping_test_sentences == 1


def test_who_is_tested_by_one_release_is_trained_on_from_no_other() -> None:
    same = {"source": "commonvoice", "speaker": "commonvoice-1"}
    tested = raw(corpus="cv-20", published_split="test", **same)
    home = raw(corpus="cv-20", published_split="train", **same)
    elsewhere = raw(corpus="cv-21", published_split="train", **same)
    val = raw(corpus="cv-21", published_split="val", **same)
    unknown = raw(corpus="cv-21", published_split="train", **(same | {"speaker": "u", "speaker_name": ""}))
    with take_snapshot(found(tested, home, elsewhere, val, unknown)) as snapshot:
        # Both releases hold the speaker out, so neither part of train stays.
        assert set(splits(snapshot)) == {tested.utterance, val.utterance, unknown.utterance}
        assert snapshot.dropped_by_reason == {Drop.SPEAKER_IN_VAL_OR_TEST: 2}


PRINT = f"{fingerprint.VERSION:02x}6000" + "6b" * 64


def changed(print_: str, *, bits: int, spread: int = 0) -> str:
    """So many bits the other way, far apart."""
    value = int(print_[6:], 16)
    for index in range(bits):
        value ^= 1 << (index * 7)
    return f"{print_[:2]}{int(print_[2:6], 16) + spread:04x}{value:0128x}"


@pytest.mark.parametrize(
    ("fields", "copy"),
    [
        ({"fingerprint": PRINT}, True),
        ({"fingerprint": changed(PRINT, bits=20)}, True),
        ({"fingerprint": changed(PRINT, bits=64)}, False),
        ({"fingerprint": changed(PRINT, bits=0, spread=200)}, False),
        ({"fingerprint": PRINT, "duration_s": 7.0}, False),
        ({"fingerprint": ""}, False),
        ({"fingerprint": "00" + PRINT[2:]}, False),
    ],
)
def test_copies_are_found(fields: dict[str, Any], copy: bool) -> None:
    first, second = raw(fingerprint=PRINT, source="tts_generated"), raw(source="tts_generated", **fields)
    with take_snapshot(found(second, first)) as snapshot:
        assert set(splits(snapshot)) == {first.utterance} | (set() if copy else {second.utterance})
        told = f"{second.utterance} sounds like {first.utterance}"
        assert snapshot.examples() == ({Drop.NEAR_DUPLICATE_AUDIO: [told]} if copy else {})
        assert snapshot.lost("tts_generated") == (0, 2)


def test_of_copies_the_one_that_is_held_out_stays() -> None:
    train = raw(fingerprint=PRINT, source="tts_generated")
    test = raw(fingerprint=PRINT, corpus="late", published_split="test")
    with take_snapshot(found(train, test)) as snapshot:
        assert splits(snapshot) == {test.utterance: "test"}


def test_what_is_dropped_drops_no_other() -> None:
    """b is a copy of a, c one of b and not of a."""
    prints = [PRINT, changed(PRINT, bits=40), changed(changed(PRINT, bits=40), bits=0, spread=80)]
    prints[0] = changed(PRINT, bits=0, spread=-80)
    a, b, c = (raw(fingerprint=each, source="tts_generated") for each in prints)
    with take_snapshot(found(a, b, c)) as snapshot:
        assert set(splits(snapshot)) == {a.utterance, c.utterance}


def test_a_crowd_that_sounds_alike_is_one() -> None:
    crowd = [raw(fingerprint=changed(PRINT, bits=i % 4), source="tts_generated") for i in range(200)]
    with take_snapshot(found(*crowd)) as snapshot:
        assert snapshot.dropped_by_reason[Drop.NEAR_DUPLICATE_AUDIO] >= 150
        assert crowd[0].utterance in splits(snapshot)


def many(number: int, source: str, speakers: int, **fields: Any) -> list[RawUtterance]:
    """Speakers of train, the first of whom said half of all."""
    who = [0 if i % 2 else i % speakers for i in range(number)]
    return [
        raw(source=source, corpus=f"of-{source}", speaker=f"{source}-t{w}", published_split="train", **fields)
        for w in who
    ]


def trained(snapshot: Snapshot) -> set[str]:
    return {row.utterance for row in snapshot.rows("train")}


def test_a_mix_takes_so_many_and_leaves_out_what_it_does_not_name() -> None:
    tests = [raw(source="commonvoice", corpus="of-commonvoice", speaker="t", published_split="test")]
    records = [*many(50, "commonvoice", 5), *many(30, "imported", 3), *many(10, "tts_generated", 1), *tests]
    mix = Mix(name="m", sources={"commonvoice": Share(min=200, max=300, max_hours=50 / 3600), "tts": Share()})
    with take_snapshot(found(*records), mix=mix) as snapshot:
        assert Counter(row.source for row in snapshot.rows("train")) == {
            "commonvoice": 10,
            "tts_generated": 10,
        }
        assert snapshot.counts["test"] == 1
        assert snapshot.dropped["imported"] == {Drop.NOT_IN_MIX: 30}
        assert snapshot.shortfalls == {"commonvoice": Shortfall(wanted=200, found=51)}


@pytest.mark.parametrize("most", [0, 7, 20])
def test_speakers_take_turns(most: int) -> None:
    mix = Mix(name="m", sources={"commonvoice": Share(max=most)})
    with take_snapshot(found(*many(80, "commonvoice", 8)), mix=mix) as snapshot:
        counts = Counter(row.speaker for row in snapshot.rows("train"))
        assert counts.total() == most
        assert max(counts.values(), default=0) - min(counts.values(), default=0) <= 1


def test_what_was_chosen_stays_while_data_grows_and_the_seed_chooses_anew() -> None:
    records = many(200, "imported", 20)
    mix = Mix(name="m", sources={"imported": Share(max=60)})
    other = mix.model_copy(update={"seed": 1})
    with (
        take_snapshot(found(*records[:180]), mix=mix) as before,
        take_snapshot(found(*records), mix=mix) as after,
        take_snapshot(found(*records), mix=other) as anew,
    ):
        assert len(trained(before) & trained(after)) >= 50
        assert trained(after) != trained(anew)


def fraction_of(records: list[RawUtterance], fraction: float | None, seed: int = 0) -> list[Utterance]:
    """The rows of train and, to be sure of them, of val and test."""
    shares = {name: Share(fraction=fraction) for name in ("own", "imported")}
    mix = Mix(name="m", sources=shares, seed=seed)
    with take_snapshot(found(*records), mix=mix) as snapshot:
        return list(snapshot.rows())


def test_a_smaller_fraction_is_a_part_of_a_larger_one_and_stays_it_as_data_grows() -> None:
    """Of own recordings so many sentences, with all their takes; what is held out is held out whole."""
    texts = [f"prompt {i}" for i in range(300)]
    own = [raw(text, source="user_recorded", corpus="own") for text in texts for _take in range(2)]
    records = [*own, *many(200, "imported", 20)]
    rows = {share: fraction_of(records, share) for share in (0.125, 0.25, 0.5, 1.0, None)}
    chosen = [{row.utterance for row in rows[share]} for share in rows]
    assert all(less < more for less, more in itertools.pairwise(chosen[:4]))
    assert chosen[3] == chosen[4]
    takes = Counter(row.text for row in rows[0.25] if row.source == "user_recorded")
    assert set(takes.values()) == {2}
    for source, low, high in (("user_recorded", 80, 170), ("imported", 30, 70)):
        assert low < sum(row.source == source and row.split == "train" for row in rows[0.25]) < high
    held = [{row.utterance for row in rows[share] if row.split != "train"} for share in (0.125, None)]
    assert held[0] == held[1] != set()
    fewer = {row.utterance for row in fraction_of(records[100:], 0.25)}
    assert fewer == chosen[1] & {record.utterance for record in records[100:]}
    assert {row.utterance for row in fraction_of(records, 0.25, seed=1)} != chosen[1]


def test_a_mix_moves_nothing_and_keeps_what_is_held_out() -> None:
    """Nor is a sentence of a test that is not in the mix trained on: tomorrow's dataset may hold it."""
    tested = raw("only in the test", source="commonvoice", corpus="cv", published_split="test")
    leaking = raw("only in the test", source="tts_generated")
    mix = PRESETS["own+tts"]
    with take_snapshot(found(tested, leaking, raw(source="tts_generated")), mix=mix) as snapshot:
        assert leaking.utterance not in splits(snapshot)
        assert snapshot.shortfalls == {
            "own": Shortfall(wanted=600, found=0),
            "tts": Shortfall(wanted=200, found=1),
        }


def test_a_share_is_of_its_corpora_and_languages() -> None:
    records = [raw(corpus=c, language=lang, source="tts_generated") for c in "ab" for lang in ("en", "de")]
    mix = Mix(name="m", sources={"tts": Share(corpora=("a",), languages=("de",))})
    with take_snapshot(found(*records), mix=mix) as snapshot:
        assert {(row.corpus, row.language) for row in snapshot.rows()} == {("a", "de")}
        assert snapshot.dropped == {"tts_generated": {Drop.NOT_IN_MIX: 3}}


def refused(*lines: tuple[str, str]) -> Iterable[tuple[str, ReportLine]]:
    for source, utterance in lines:
        yield source, ReportLine(utterance=utterance, corpus="c", path="p.wav", reason="silent")


def test_losses_are_counted_by_source() -> None:
    stored = raw(source="tts_generated")
    lines = refused(("imported", "gone"), ("imported", ""), ("imported", stored.utterance))
    unreadable = Found("bad", "commonvoice", fault=Drop.RECORD_UNREADABLE)
    with take_snapshot([*found(stored), unreadable], lines) as snapshot:
        assert snapshot.dropped == {
            "commonvoice": {Drop.RECORD_UNREADABLE: 1},
            "imported": {"import_silent": 1},
        }
        assert (snapshot.lost("commonvoice"), snapshot.lost("tts_generated")) == ((1, 1), (0, 1))


def test_losses_of_a_source_that_the_mix_leaves_out_are_none() -> None:
    unreadable = Found("bad", "commonvoice", fault=Drop.RECORD_UNREADABLE)
    lines = refused(("imported", "gone"))
    mix = Mix(name="m", sources={"tts": Share()})
    with take_snapshot([*found(raw(source="tts_generated")), unreadable], lines, mix=mix) as snapshot:
        assert snapshot.dropped == {"commonvoice": {Drop.NOT_IN_MIX: 1}}
        assert snapshot.lost("commonvoice") == (0, 1)


names = st.lists(st.text("a.-_9", min_size=1, max_size=4).filter(lambda name: name[0] in "a9_"), unique=True)


@settings(max_examples=60, deadline=None)
@given(names, names)
def test_records_and_audio_find_each_other(records: list[str], audio: list[str]) -> None:
    listed = sorted({*(f"r/{name}.json" for name in records), *(f"r/{name}.wav" for name in audio)})
    stems = {key.removesuffix(".json") for key in listed if key.endswith(".json")}
    assert dict(pair_up(iter(listed))) == {stem: f"{stem}.wav" in listed for stem in stems}
