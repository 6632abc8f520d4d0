"""The organisation's own text of consent: versions are kept, and who agreed to which is known."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from takes_world import Studio

from services.recorder.consents import Consents
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.storage import list_all

OURS = "We keep your voice for two years.\nWrite to us, and it is gone."


@pytest.fixture
def studio(tmp_path: Path, quick_disk: None) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.close()


@pytest.fixture
def consents(studio: Studio) -> Consents:
    return Consents(studio.store)


def test_the_last_text_is_shown_and_all_are_kept(consents: Consents) -> None:
    assert consents.get("en").text == ""
    assert consents.set("en", f"  {OURS}\r\n ").version == "en/1"
    assert consents.set("en", OURS).version == "en/1"  # again: nothing
    assert consents.set("en", "Three years.").version == "en/2"
    assert (consents.get("en").text, consents.get("en").current) == ("Three years.", True)
    told = [(each.version, each.text, each.current) for each in consents.all()]
    assert told == [("en/2", "Three years.", True), ("en/1", OURS, False)]


def test_a_text_is_taken_back_and_may_come_again(consents: Consents) -> None:
    consents.set("en", OURS)
    assert consents.set("en", " ").text == ""
    assert consents.get("en").text == ""
    assert [(each.version, each.current) for each in consents.all()] == [("en/1", False)]
    assert consents.set("en", OURS).version == "en/3"
    assert consents.version_of(OURS) == "en/3"


def test_a_kind_of_a_language_has_the_text_of_the_language(consents: Consents) -> None:
    consents.set("de", "Deutsch.")
    consents.set("pt-BR", "Do Brasil.")
    assert {consents.get(tag).text for tag in ("de", "de-AT", "DE")} == {"Deutsch."}
    assert {consents.get(tag).text for tag in ("pt-BR", "pt-br")} == {"Do Brasil."}
    assert {consents.get(tag).text for tag in ("pt", "pt-PT", "en")} == {""}


@pytest.mark.parametrize(("language", "text"), [("../x", "a"), ("", "x" * 4001), ("en", "a\x00b")])
def test_what_is_no_text_is_refused_and_nothing_is_kept(
    studio: Studio, consents: Consents, language: str, text: str
) -> None:
    with pytest.raises(BadInput):
        consents.set(language, text)
    assert list(list_all(studio.store, keys.CONSENTS)) == []


def test_a_speaker_record_names_the_version_they_agreed_to(studio: Studio, consents: Consents) -> None:
    consents.set("en", OURS)
    first = studio.speakers.register("Ada", "en", "", OURS).record
    consents.set("en", "Three years.")
    later = studio.speakers.register("Bob", "en", "", "Three years.").record
    own_words = studio.speakers.register("Eve", "en", "", "On paper.").record
    assert first is not None
    assert later is not None
    assert own_words is not None
    assert [each.consent_version for each in (first, later, own_words)] == ["en/1", "en/2", ""]
    known = {each.name: each.record for each in studio.speakers.all()}
    assert known["Ada"] == first  # a new text changes nobody's
    assert first.consent == OURS


def test_many_at_once_lose_no_version(consents: Consents) -> None:
    threads = [threading.Thread(target=consents.set, args=("en", f"text {each}")) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.text for each in consents.all()) == [f"text {each}" for each in range(8)]
    assert sum(each.current for each in consents.all()) == 1
