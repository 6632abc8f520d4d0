"""Releases of Common Voice of every age and state: what is read, what is refused, what it is called."""

import io

import pytest
from cv_releases import FOLDER, LIMITS, names, opened, outcome, release, row, table
from ingest_corpora import member, tar

from services.ingest import split
from voxloom.corpora.commonvoice import Label, label_of, read_release
from voxloom.corpora.members import from_stream
from voxloom.corpora.selection import Selection
from voxloom.corpora.sentences import scripts_of, sentence_key
from voxloom.corpora.thin import thin
from voxloom.errors import BadInput

ALL = Selection()
SINCE_17 = (
    "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant "
    "locale segment"
)
ROWS = [row(number) for number in range(4)]


@pytest.mark.parametrize(
    ("folder", "columns", "name"),
    [
        ("cv-corpus-17.0-delta-2024-03-15/en", SINCE_17, "cv-corpus-17.0-delta-2024-03-15-en"),
        (
            "cv-corpus-13.0-2023-03-09/en",
            "client_id path sentence up_votes locale",
            "cv-corpus-13.0-2023-03-09-en",
        ),
        (
            "cv-corpus-6.1-2020-12-11/en",
            "sentence path client_id accent locale",
            "cv-corpus-6.1-2020-12-11-en",
        ),
        ("cv-corpus-3", "client_id path sentence up_votes down_votes age gender accent", "cv-corpus-3-en"),
        ("", "client_id path sentence", "commonvoice-en"),
        ("renamed", "client_id path sentence", "commonvoice-en"),
    ],
)
def test_releases_of_every_version_are_read_by_the_names_of_columns(
    folder: str, columns: str, name: str
) -> None:
    tables = {"validated.tsv": table(ROWS, columns)}
    with opened(release(tables, folder=folder)) as found:
        assert (found.name, found.locale) == (name, "en")
        path, entry = next(found.select(ALL).entries())
        assert path == f"{folder}/clips/common_voice_en_0.mp3".removeprefix("/")
        assert (entry.path, entry.text, entry.speaker) == ("common_voice_en_0.mp3", "Sentence 0.", "speaker0")
        assert (entry.split, entry.language) == ("", "en")
        assert entry.details["release"] == name


def test_what_an_archive_does_not_tell_comes_from_its_own_name() -> None:
    rows = [row(1, path="0a1b2c", locale="")]
    data = release({"validated.tsv": table(rows, "client_id path sentence")}, folder="")
    with opened(data, name="cv-corpus-2-cy", language="cy") as found:
        assert (found.name, found.version, found.locale) == ("cv-corpus-2-cy", "2", "cy")
        assert [(path, each.language) for path, each in found.select(ALL).entries()] == [
            ("clips/0a1b2c.mp3", "cy")
        ]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (
            "x/cv-corpus-17.0-2024-03-15-rm-sursilv.tar.gz",
            ("cv-corpus-17.0-2024-03-15-rm-sursilv", "17.0", "rm-sursilv"),
        ),
        ("cv-corpus-20.0-delta-2024-12-06/zh-CN", ("cv-corpus-20.0-delta-2024-12-06-zh-CN", "20.0", "zh-CN")),
        ("cv-corpus-5-2020-06-22", ("cv-corpus-5-2020-06-22", "5", "")),
        ("corpora/en.tar.gz", ("", "", "")),
    ],
)
def test_names_of_places_tell_the_release(path: str, label: tuple[str, str, str]) -> None:
    assert label_of(path) == Label(*label)


def test_all_that_is_given_of_a_clip_is_kept() -> None:
    given = {"age": "teens", "gender": "male_masculine", "accents": "Wales English", "variant": "en-GB"}
    given |= {"sentence_id": "abc", "sentence_domain": "general", "segment": "Benchmark"}
    tables = {"validated.tsv": table([row(1, **given)], SINCE_17)}
    tables["reported.tsv"] = (
        b"sentence_id\tsentence\tlocale\treason\nabc\tSentence 1.\ten\tdifferent-language\n"
    )
    with opened(release(tables)) as found:
        ((_, entry),) = found.select(ALL).entries()
    given["domain"] = given.pop("sentence_domain")
    votes = {"up_votes": "2", "down_votes": "0"}
    named = {"release": "cv-corpus-17.0-2024-03-15-en", "reported": "different-language"}
    assert entry.details == given | votes | named


def test_trained_on_is_what_is_validated_and_neither_in_dev_nor_in_test() -> None:
    test, dev = [row(1, "anna"), row(2, "ben")], [row(3, "cleo")]
    validated = [*test, *dev, row(4, "anna"), row(5, "dora", "SENTENCE 3"), row(6, "dora"), row(7, "")]
    tables = {"validated.tsv": validated, "test.tsv": test, "dev.tsv": dev, "train.tsv": [row(6, "dora")]}
    tables |= {"invalidated.tsv": [row(8), row(9)], "other.tsv": [row(10)]}
    for order in (list(tables), list(reversed(tables))):
        with opened(release({name: table(tables[name]) for name in order})) as found:
            chosen = found.select(ALL)
            assert names(chosen, "test") == {each["path"] for each in test}
            assert names(chosen, "dev") == {dev[0]["path"]}
            assert names(chosen, "train") == {"common_voice_en_6.mp3", "common_voice_en_7.mp3"}
            entries, refused, rules = outcome(found, chosen)
            assert (entries, refused.total()) == (5, 0)
            assert rules == {
                "speaker_in_dev_or_test": 1,
                "sentence_in_dev_or_test": 1,
                "invalidated": 2,
                "not_validated": 1,
            }


def test_unknown_speakers_are_not_one_speaker() -> None:
    test, other = row(1) | {"client_id": ""}, row(2) | {"client_id": ""}
    with opened(release({"validated.tsv": table([test, other]), "test.tsv": table([test])})) as found:
        assert names(found.select(ALL), "train") == {"common_voice_en_2.mp3"}


def test_an_empty_test_table_holds_nothing_out() -> None:
    with opened(release({"validated.tsv": table(ROWS), "test.tsv": table([]), "dev.tsv": b""})) as found:
        assert {entry.split for _, entry in found.select(ALL).entries()} == {""}


def test_every_broken_row_costs_one_row() -> None:
    good = table(ROWS).splitlines()
    bad = {
        "bad_manifest_row": [
            good[1].replace(b"Sentence 0", b"Sen\0tence"),
            good[1] + b"\textra",
            b"only\ttwo",
            good[1].replace(b"Sentence 0", b"\xff\xfe"),
            good[1].replace(b"Sentence 0", b"x" * 70_000),
            good[1].replace(b"\t2\t", b"\tmany\t"),
            good[1].replace(b"\t2\t", b"\t" + b"9" * 5000 + b"\t"),
            good[1].replace(b"common_voice_en_0.mp3", b""),
        ],
        "unsafe_path": [
            good[1].replace(b"common_voice_en_0.mp3", name)
            for name in (b"../../secret.mp3", b"/etc/passwd", b"a/b.mp3", b"\x1b[31m.mp3", b"x" * 600)
        ],
        "duplicate_manifest_row": [
            good[1],
            good[1].replace(b".mp3", b""),
            good[2].replace(b"common", b"clips/common"),
        ],
    }
    lines = [*good, *(line for each in bad.values() for line in each), b""]
    with opened(release({"validated.tsv": b"\r\n".join(lines)})) as found:
        chosen = found.select(ALL)
        entries, refused, rules = outcome(found, chosen)
        assert names(chosen) == {each["path"] for each in ROWS}
        assert (entries, rules) == (4, {})
        assert refused == {reason: len(each) for reason, each in bad.items()}
        assert all(each.path.isprintable() and each.detail for each in chosen.refusals())


def test_quotes_are_letters_like_others() -> None:
    rows = [row(1, sentence='He said "no'), row(2, sentence='"Yes"')]
    with opened(release({"validated.tsv": table(rows)})) as found:
        assert [entry.text for _, entry in found.select(ALL).entries()] == ['He said "no', '"Yes"']


@pytest.mark.parametrize(
    ("native", "foreign"),
    [
        (["Guten Morgen, Änne.", "Ça va?"], ["Доброе утро", "おはよう"]),
        (["東京へ行きます。", "ラーメン", "カタカナとひらがな", "山"], ["Good morning", "안녕하세요"]),
        (["如下图所示。", "我用API写代码"], ["Доброе утро", "おはようございます"]),
        (["안녕하세요", "漢字 표기"], ["Доброе утро"]),
        (["Добар дан.", "Dobar dan.", "Како си?"], ["नमस्ते"]),
        (["नमस्ते दुनिया", "मेरा फ़ोन खराब है।", "1234"], ["Good morning"]),
    ],
)
def test_a_script_that_few_rows_use_is_another_language(native: list[str], foreign: list[str]) -> None:
    texts = [f"{text} {number}" for number in range(30) for text in native] + foreign
    rows = [row(number, sentence=text) for number, text in enumerate(texts)]
    with opened(release({"validated.tsv": table(rows)})) as found:
        chosen = found.select(ALL)
        assert outcome(found, chosen)[1] == {"wrong_language": len(foreign)}
        assert len(names(chosen)) == 30 * len(native)


def test_rows_of_another_locale_are_refused() -> None:
    rows = [*ROWS, row(9, locale="de")]
    with opened(release({"validated.tsv": table(rows)})) as found:
        (refusal,) = found.select(ALL).refusals()
    assert (refusal.path, refusal.reason) == ("common_voice_en_9.mp3", "wrong_language")
    assert refusal.detail == "its locale is de; the release is in en"


def test_scripts_are_counted_by_letters() -> None:
    assert scripts_of("Hello, 42!") == {"LATIN": 5}
    assert scripts_of("ＡＢ ﾊﾝ カー") == {"LATIN": 2, "KATAKANA": 3}
    assert scripts_of("12 ...") == {}


@pytest.mark.parametrize(
    "text", ["It's HERE.", "ﬁn, Straße", "Çà et là", "今日は、２０２４年", "...", "İstanbul", "नमस्ते"]
)
def test_sentences_are_the_same_here_and_in_the_split(text: str) -> None:
    assert sentence_key(text) == split.sentence_key(text)


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        ({}, "no clips of Common Voice"),
        ({"validated.tsv": table([])}, "no clips of Common Voice"),
        ({"validated.tsv": b"client_id\tsentence\n"}, "path missing"),
        ({"validated.tsv": b"path\tsentence\tsentence\n"}, "twice"),
        ({"validated.tsv": b"\xff\xfe\n"}, "path and sentence missing"),
        ({"validated.tsv": b"x" * 100_000}, "path and sentence missing"),
        ({"validated.tsv": table(ROWS), "../de/test.tsv": table(ROWS)}, "get the release anew"),
        ({"validated.tsv": table(ROWS), "de/validated.tsv": table(ROWS)}, "one language of one release"),
    ],
)
def test_what_is_no_release_is_said_in_one_line(tables: dict[str, bytes], match: str) -> None:
    with pytest.raises(BadInput, match=match), opened(release(tables)):
        pass


def test_a_table_that_cannot_be_read_is_no_missing_table() -> None:
    link = member(f"{FOLDER}/test.tsv", type=b"2", linkname="validated.tsv")
    data = tar({f"{FOLDER}/validated.tsv": table(ROWS)}, (link, b""))
    with pytest.raises(BadInput, match=r"test\.tsv cannot be read: not_a_file"), opened(data):
        pass


def test_hours_need_lengths() -> None:
    with opened(release({"validated.tsv": table(ROWS)})) as found:
        with pytest.raises(BadInput, match=r"no clip_durations\.tsv.*--max-clips"):
            found.select(Selection(max_hours=1))


@pytest.mark.parametrize("header", ["clip\tduration[ms]", "filename\tduration[ms]", "path\tduration"])
def test_hours_are_counted_to_the_millisecond(header: str) -> None:
    lengths = "".join(f"common_voice_en_{number}.mp3\t3600\n" for number in range(3))
    tables = {"validated.tsv": table(ROWS), "clip_durations.tsv": f"{header}\n{lengths}broken\n".encode()}
    with opened(release(tables)) as found:
        chosen = found.select(Selection(max_hours=0.002))
        assert [(part.clips, part.hours) for part in chosen.parts()] == [(2, pytest.approx(0.002))]
        assert chosen.not_selected == {"max_hours": 1, "no_duration": 1}


def test_the_thin_tar_gives_the_same_choice_and_no_other_clip() -> None:
    rows = [row(number, f"s{number % 7}") for number in range(60)]
    tables = {
        "validated.tsv": table([*rows, *rows[:2]]),
        "test.tsv": table(rows[:9]),
        "other.tsv": table(ROWS),
    }
    data = release(tables | {"README": b"x"}, [each["path"] for each in rows])
    wish = Selection(max_clips=8, max_test_clips=3)
    with opened(data) as whole, from_stream(io.BytesIO(data), LIMITS) as members:
        chosen = whole.select(wish)
        entries, rules = list(chosen.entries()), chosen.not_selected
        small = b"".join(thin(members, chosen))
        refusals = list(chosen.refusals())
    with opened(small) as part, from_stream(io.BytesIO(small), LIMITS) as members:
        again = part.select(wish)
        assert list(again.entries()) == entries
        assert list(again.refusals()) == refusals
        assert again.not_selected == rules
        clips = {each.path for each in members} - {f"{FOLDER}/{name}" for name in tables}
        assert clips == {path for path, _ in entries}
        with from_stream(io.BytesIO(small), LIMITS) as once_more:
            assert b"".join(thin(once_more, again)) == small


def test_only_files_among_the_clips_are_wanted() -> None:
    with opened(release({"validated.tsv": table(ROWS)})) as found:
        chosen = found.select(ALL)
        assert chosen.wants(f"{FOLDER}/clips/common_voice_en_1.mp3")
        for path in (
            "common_voice_en_1.mp3",
            f"{FOLDER}/common_voice_en_1.mp3",
            f"{FOLDER}/clips/\udcff.mp3",
        ):
            assert not chosen.wants(path)


def test_members_that_are_refused_do_not_stop_the_reading() -> None:
    evil = member("../../x.mp3", b"x")
    data = tar({f"{FOLDER}/validated.tsv": table(ROWS)}, (evil, b"x"))
    with from_stream(io.BytesIO(data), LIMITS) as members, read_release(members, LIMITS) as found:
        assert found.num_rows == 4
