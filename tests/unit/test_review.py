"""What people make of takes: verdicts, choices, corrected words; and who the speakers are."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from takes_world import Studio, record

from services.recorder.labels import check_consent
from services.recorder.take_index import Asked
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import ForgetSpec, Voice, bury, lift
from voxloom.jobs import Jobs
from voxloom.manifest import RawUtterance
from voxloom.reviews import read_reviews
from voxloom.storage import exists, list_all, read_model

ADA = "ada-99a563ab"
GONE = ForgetSpec(voices=[Voice(source="user_recorded", speaker=ADA)])
CONSENT = "I read these sentences,\nand anybody may use them."


@pytest.fixture
def studio(tmp_path: Path, quick_disk: None) -> Iterator[Studio]:
    studio = Studio(tmp_path)
    yield studio
    studio.close()


class TestVerdicts:
    def test_takes_of_several_speakers_are_judged_at_once_and_again_changes_nothing(
        self, studio: Studio
    ) -> None:
        takes = [record(number, speaker=speaker) for number in range(20) for speaker in ("ada", "bob")]
        studio.put(*takes)
        names = [(take.speaker, take.utterance) for take in takes]
        assert studio.reviewing.review(names, "rejected", "a dog") == 40
        before = read_reviews(studio.store, "bob")
        assert studio.reviewing.review([*names, *names], "rejected", "a dog") == 0
        assert read_reviews(studio.store, "bob") == before
        assert studio.reviewing.review(names[:2], "rejected", "two dogs") == 0
        assert read_reviews(studio.store, "bob").takes[takes[1].utterance].reason == "two dogs"
        assert studio.reviewing.review(names[:10], "accepted", "") == 10
        assert studio.reviewing.review(names, None, "") == 40
        assert read_reviews(studio.store, "ada").takes == {}

    def test_all_or_none(self, studio: Studio) -> None:
        studio.put(record(1), record(2, speaker="bob"))
        with pytest.raises(NotFound, match="u-none"):
            studio.reviewing.review(
                [("ada", record(1).utterance), ("bob", record(2).utterance), ("ada", "u-none")],
                "accepted",
                "",
            )
        assert list(list_all(studio.store, keys.REVIEWS)) == []

    def test_a_take_is_found_by_name_by_id_and_by_itself(self, studio: Studio) -> None:
        take = studio.read("one fish", speaker="Ada Lovelace")
        for whose in ("Ada Lovelace", take.speaker, ""):
            assert studio.reviewing.review([(whose, take.utterance)], "accepted", "") == 1
            assert studio.reviewing.review([(whose, take.utterance)], None, "") == 1
        with pytest.raises(NotFound, match="was it deleted"):
            studio.reviewing.review([("Bob", take.utterance)], "accepted", "")

    @pytest.mark.parametrize(
        ("number", "reason", "says"),
        [(1, " ", "without a reason"), (0, "x", "0 takes"), (1001, "x", "1001 takes"), (1, "x" * 201, "201")],
    )
    def test_what_is_no_review(self, studio: Studio, number: int, reason: str, says: str) -> None:
        with pytest.raises(BadInput, match=says):
            studio.reviewing.review([("ada", "u-1")] * number, "rejected", reason)

    def test_many_reviewers_at_once_lose_nothing(self, studio: Studio) -> None:
        takes = [record(number) for number in range(12)]
        studio.put(*takes)
        threads = [
            threading.Thread(target=studio.reviewing.review, args=([("ada", take.utterance)], "accepted", ""))
            for take in takes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(read_reviews(studio.store, "ada").takes) == 12
        assert len(studio.listed(verdict="accepted")) == 12


class TestChoice:
    def test_the_chosen_take_is_the_best_until_it_is_no_longer_chosen(self, studio: Studio) -> None:
        first, second, third = (studio.read("one fish", "p1", pitch=pitch) for pitch in (140, 150, 160))
        best_by_checks = self._best(studio)

        def chosen() -> list[str]:
            return [each.record.utterance for each in studio.catalogue.each(Asked()) if each.chosen]

        others = [each.utterance for each in (first, second, third) if [each.utterance] != best_by_checks]
        for utterance in others:
            studio.reviewing.choose("Ada", utterance, undo=False)
            assert (self._best(studio), chosen()) == ([utterance], [utterance])
        studio.reviewing.choose("Ada", others[0], undo=True)  # is not the chosen one
        assert chosen() == [others[1]]
        studio.reviewing.review([("Ada", others[1])], "rejected", "a dog")
        assert others[1] not in self._best(studio)
        with pytest.raises(BadInput, match="was rejected"):
            studio.reviewing.choose("Ada", others[1], undo=False)
        studio.reviewing.choose("Ada", others[1], undo=True)
        studio.reviewing.review([("Ada", others[1])], None, "")
        assert (self._best(studio), chosen()) == (best_by_checks, [])

    def test_what_was_read_from_no_list_is_not_chosen_from(self, studio: Studio) -> None:
        with pytest.raises(BadInput, match="from no list"):
            studio.reviewing.choose("Ada", studio.read("one fish").utterance, undo=False)

    def _best(self, studio: Studio) -> list[str]:
        return [each.record.utterance for each in studio.catalogue.each(Asked()) if each.best]


class TestCorrection:
    def test_the_audio_stays_and_the_words_change(self, studio: Studio) -> None:
        old = studio.read("go left at the bridge", "p1")
        sound = studio.store.get(keys.raw_audio("user_recorded", old.speaker, old.utterance))
        studio.reviewing.review([("", old.utterance)], "accepted", "")
        studio.reviewing.choose("", old.utterance, undo=False)
        new = studio.takes.correct("Ada", old.utterance, " go left at the ridge ").record
        assert new.utterance != old.utterance
        key = keys.raw_record("user_recorded", new.speaker, new.utterance)
        assert read_model(studio.store, key, RawUtterance) == new
        assert studio.store.get(key.replace(".json", ".wav")) == sound
        same = {"text", "utterance", "quality", "accepted_anyway", "corrected_from"}
        assert new.model_dump(exclude=same) == old.model_dump(exclude=same)
        assert new.text == "go left at the ridge"
        assert [info.key for info in list_all(studio.store, "raw/")] == [key, key.replace(".json", ".wav")]
        left = read_reviews(studio.store, new.speaker)
        assert (left.takes, left.chosen, studio.listed()) == ({}, {}, [new.utterance])
        assert [job.spec["clips"][0]["utterance"] for job in Jobs(studio.store).list("forget")] == [
            old.utterance
        ]

    def test_the_same_words_change_nothing(self, studio: Studio) -> None:
        take = studio.read("go left")
        assert studio.takes.correct("Ada", take.utterance, "go left").record == take
        assert studio.listed() == [take.utterance]

    @pytest.mark.parametrize(
        ("text", "says"),
        [("", "empty"), ("12", "no letters"), ("a\nb", "control"), ("word " * 50, "too short for a prompt")],
    )
    def test_words_that_cannot_be_those_are_refused_and_the_take_stays(
        self, studio: Studio, text: str, says: str
    ) -> None:
        take = studio.read("go left")
        with pytest.raises(BadInput, match=says):
            studio.takes.correct("Ada", take.utterance, text)
        assert studio.listed() == [take.utterance]

    @pytest.mark.parametrize("speaker", ["Ada", ADA, ""])
    def test_a_correction_whose_answer_was_lost_can_be_sent_again(self, studio: Studio, speaker: str) -> None:
        old = studio.read("go left at the bridge")
        first = studio.takes.correct(speaker, old.utterance, "go left at the ridge")
        before = {info.key: info.etag for info in list_all(studio.store, "raw/")}
        again = studio.takes.correct(speaker, old.utterance, " go left at the ridge ")
        assert (again.record, again.record_key) == (first.record, first.record_key)
        assert again.findings == first.findings
        assert {info.key: info.etag for info in list_all(studio.store, "raw/")} == before
        with pytest.raises(NotFound, match=old.utterance):
            studio.takes.correct(speaker, old.utterance, "go left at the fridge")

    def test_one_that_was_cut_off_is_finished(self, studio: Studio) -> None:
        old = studio.read("go left at the bridge")
        new = studio.takes.correct("Ada", old.utterance, "go left at the ridge").record
        studio.store.put(keys.raw_audio("user_recorded", ADA, old.utterance), b"was not deleted")
        again = studio.takes.correct("Ada", old.utterance, "go left at the ridge").record
        assert again == new
        assert not exists(studio.store, keys.raw_audio("user_recorded", ADA, old.utterance))

    def test_nothing_to_correct(self, studio: Studio) -> None:
        with pytest.raises(NotFound, match="'Ada' has no recording u-none"):
            studio.takes.correct("Ada", "u-none", "go")


class TestSpeakers:
    def test_what_was_agreed_to_is_kept_and_replaced_and_told(self, studio: Studio) -> None:
        studio.read("one fish", speaker="Bob")
        first = studio.speakers.register("Ada", "cy", "CC0-1.0", CONSENT)
        assert studio.speakers.register("Ada", "cy", "CC0-1.0", CONSENT) == first
        token = studio.speakers.invite("Ada")
        second = studio.speakers.register(" Ada ", "cy", "CC-BY-4.0", CONSENT).record
        assert second is not None
        assert (second.licence, bool(second.token_sha256), first.id) == ("CC-BY-4.0", True, ADA)
        assert studio.speakers.of_token(token) == ADA
        named = [(each.name, each.record is not None, each.takes) for each in studio.speakers.all()]
        assert named == [("Ada", True, 0), ("Bob", False, 1)]

    @pytest.mark.parametrize("consent", ["", " \n", "x" * 4001, "a\x00b", "caf\ufffd"])
    def test_nobody_is_registered_without_consent(self, studio: Studio, consent: str) -> None:
        with pytest.raises(BadInput, match="consent"):
            studio.speakers.register("Ada", "", "", consent)
        assert list(list_all(studio.store, keys.SPEAKERS)) == []

    def test_a_consent_may_have_lines(self) -> None:
        assert check_consent(" a\r\n\tb \n") == "a\n\tb"

    def test_a_secret_opens_until_there_is_another(self, studio: Studio) -> None:
        studio.speakers.register("Ada", "", "", CONSENT)
        old, new = studio.speakers.invite("Ada"), studio.speakers.invite(ADA)
        assert (studio.speakers.of_token(old), studio.speakers.of_token(new)) == (None, ADA)
        stored = b"".join(studio.store.get(info.key) for info in list_all(studio.store, ""))
        assert new.encode() not in stored
        assert new.rpartition(".")[2].encode() not in stored
        with pytest.raises(NotFound, match="not registered"):
            studio.speakers.invite("Bob")

    def test_a_secret_is_looked_up_once_in_some_seconds_and_nothing_is_listed(self, studio: Studio) -> None:
        studio.speakers.register("Ada", "", "", CONSENT)
        token = studio.speakers.invite("Ada")
        store = Counting(studio.store)
        studio.use(store)  # type: ignore[arg-type]
        for _ in range(50):
            assert studio.speakers.of_token(token) == ADA
            assert studio.speakers.of_token(token[:-1]) is None
        assert len(store.calls) <= 3
        assert "list_page" not in store.calls

    def test_who_was_withdrawn_opens_nothing_and_does_not_come_back(self, studio: Studio) -> None:
        studio.speakers.register("Ada", "", "", CONSENT)
        token = studio.speakers.invite("Ada")
        bury(studio.store, GONE, "2026-01-01")  # the document is still there: a backup brought it back
        assert studio.speakers.of_token(token) is None
        for call in (
            lambda: studio.speakers.register("Ada", "", "", CONSENT),
            lambda: studio.speakers.invite("Ada"),
        ):
            with pytest.raises(BadInput, match="was withdrawn"):
                call()
        lift(studio.store, GONE)
        studio.store.delete(keys.speaker(ADA))
        assert studio.speakers.register("Ada", "", "", CONSENT).id == ADA
        assert exists(studio.store, keys.speaker(ADA))

    @pytest.mark.parametrize(
        "token",
        ["", ".", "x", f"{ADA}.", f"{ADA}.x", f"{'a' * 125}.x", "../raw.x", "a" * 201, "\udc80.x", "\0.x"],
    )
    def test_anything_else_is_nobodys(self, studio: Studio, token: str) -> None:
        studio.speakers.register("Ada", "", "", CONSENT)  # registered, and never invited
        assert studio.speakers.of_token(token) is None


class Counting:
    """A real store, with the names of the calls it had."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        self.calls.append(name)
        return getattr(self._store, name)
