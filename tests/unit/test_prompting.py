"""Lists in the store, what a speaker has done with them, and what comes next."""

import threading
import time
from pathlib import Path

import pytest

from services.recorder.coverage import Coverage
from services.recorder.ledger import Ledger
from services.recorder.progress import read_progress
from services.recorder.prompt_lists import BUILT_IN, built_in
from services.recorder.prompting import Prompting
from services.recorder.served import Models
from services.recorder.sounds import Sounds
from voxloom import keys
from voxloom.errors import BadInput, NotFound
from voxloom.forgotten import ForgetSpec, Voice, bury
from voxloom.manifest import AudioLevels, RawUtterance
from voxloom.storage import FolderStore, list_all, write_model

FILE = {"fish.txt": b"one fish\ntwo fish\nred fish\nblue fish\n"}


class Studio:
    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        sounds = Sounds(program="none such")  # letters, on every machine
        coverage = Coverage(Models(self.store, sounds), sounds)
        self.prompting = Prompting(self.store, Ledger(self.store), coverage=coverage)

    def record(self, number: int, text: str, prompt: tuple[str, str] = ("", ""), speaker: str = "ada") -> str:
        """The record of a take, as the recorder writes it; audio is never looked at here."""
        utterance = f"u-{number:020d}"
        levels = AudioLevels(
            duration_s=3.0,
            peak_dbfs=-3,
            rms_dbfs=-20,
            clipped_fraction=0,
            source_sample_rate_hz=48000,
            source_channels=1,
        )
        record = RawUtterance(
            utterance=utterance,
            source="user_recorded",
            corpus="own",
            speaker=speaker,
            speaker_name=speaker.title(),
            text=text,
            audio_sha256=str(number),
            levels=levels,
            created_at=f"2026-01-01T00:00:{number:06d}",
            prompt_list=prompt[0],
            prompt_id=prompt[1],
        )
        write_model(self.store, keys.raw_record("user_recorded", speaker, utterance), record)
        return utterance

    def next(self, speaker: str = "ada", count: int = 10, name: str = "fish") -> list[str]:
        return [state.prompt.text for state in self.prompting.next(name, speaker, count)[1]]

    def id_of(self, text: str, name: str = "fish") -> str:
        return next(each.id for each in self.prompting.lists.get(name).prompts if each.text == text)


@pytest.fixture
def studio(tmp_path: Path, quick_disk: None) -> Studio:
    studio = Studio(tmp_path)
    studio.prompting.add("fish", "", FILE)
    return studio


class TestLists:
    def test_the_built_in_one_has_the_numbers_of_its_sources(self) -> None:
        by_id = {prompt.id: prompt.text for prompt in built_in().prompts}
        assert len(by_id) == 720 + 1132
        assert by_id["harvard_001"] == "The birch canoe slid on the smooth planks."
        assert by_id["arctic_a0001"] == "Author of the danger trail, Philip Steels, etc."
        assert by_id["arctic_a0593"] == "She'd make a good wife for the cashier."
        assert by_id["arctic_b0001"] == "Gad, do I remember it."
        assert {"harvard_720", "arctic_b0539"} <= by_id.keys()

    def test_a_list_is_stored_listed_replaced_and_removed(self, studio: Studio) -> None:
        assert [(each.name, len(each.prompts)) for each in studio.prompting.lists.all()] == [
            (BUILT_IN, 1852),
            ("fish", 4),
        ]
        again = studio.prompting.add("fish", "cy", {"fish.txt": b"pysgodyn\n"})
        assert again.replaced is not None
        assert (again.added, again.removed) == (1, 4)
        more = studio.prompting.add("fish", "cy", {"fish.txt": b"Pysgodyn!\ndau\ntri\n"})
        assert (more.added, more.removed) == (2, 0)
        again = studio.prompting.add("fish", "cy", {"fish.txt": b"pysgodyn\n"})
        assert studio.prompting.lists.get("fish") == again.prompts
        assert again.prompts.language == "cy"
        assert "txt: fish.txt" in again.prompts.origin
        studio.prompting.lists.remove("fish")
        with pytest.raises(NotFound, match="voxloom prompts list"):
            studio.prompting.lists.get("fish")
        assert [info.key for info in list_all(studio.store, "prompts/")] == []

    @pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a" * 200])
    def test_names_stay_in_their_folder(self, studio: Studio, name: str) -> None:
        for call in (
            lambda: studio.prompting.add(name, "", FILE),
            lambda: studio.prompting.lists.get(name),
            lambda: studio.prompting.lists.remove(name),
        ):
            with pytest.raises(BadInput, match="not allowed"):
                call()

    def test_the_built_in_list_is_nobodys_to_change(self, studio: Studio) -> None:
        for call in (
            lambda: studio.prompting.add(BUILT_IN, "", FILE),
            lambda: studio.prompting.lists.remove(BUILT_IN),
        ):
            with pytest.raises(BadInput, match="english"):
                call()

    def test_a_bad_import_stores_nothing(self, studio: Studio) -> None:
        for files, language in (({"a.txt": b"1\n"}, ""), (FILE, "no tag!")):
            with pytest.raises(BadInput):
                studio.prompting.add("bad", language, files)
        with pytest.raises(NotFound):
            studio.prompting.lists.get("bad")


class TestProgress:
    def test_what_was_read_or_skipped_does_not_come_again(self, studio: Studio) -> None:
        assert studio.next() == ["one fish", "two fish", "red fish", "blue fish"]
        studio.record(1, "one fish", ("fish", studio.id_of("one fish")))
        studio.record(2, "Two fish!")  # from elsewhere
        studio.prompting.mark("fish", "ada", studio.id_of("red fish"), "skipped", "too hard")
        assert studio.next() == ["blue fish"]
        assert studio.next("Bob") == ["one fish", "two fish", "red fish", "blue fish"]
        studio.prompting.mark("fish", "ada", studio.id_of("red fish"), "skipped", "")
        assert studio.next(count=1) == ["red fish"]

    def test_a_text_that_was_corrected_still_is_a_take_of_its_prompt(self, studio: Studio) -> None:
        studio.record(1, "one big fish", ("fish", studio.id_of("one fish")))
        assert "one fish" not in studio.next()

    def test_a_deleted_take_makes_its_prompt_come_again_at_once(self, studio: Studio) -> None:
        utterance = studio.record(1, "one fish", ("fish", studio.id_of("one fish")))
        assert "one fish" not in studio.next()
        studio.store.delete(keys.raw_record("user_recorded", "ada", utterance))
        assert "one fish" in studio.next()

    def test_it_is_told_in_numbers(self, studio: Studio) -> None:
        one = ("fish", studio.id_of("one fish"))
        studio.record(1, "one fish", one)
        studio.record(2, "one fish", one)
        studio.prompting.mark("fish", "ada", studio.id_of("red fish"), "flagged", "no such fish")
        standing = studio.prompting.standing("fish", "ada")
        assert [state.takes for state in standing.states] == [2, 0, 0, 0]
        assert [state.flagged for state in standing.states] == ["", "", "no such fish", ""]
        assert (standing.takes, standing.seconds) == (2, 3.0)
        assert standing.covered.said == set("onefish")
        assert standing.missing == sorted(set("twrdblu"))
        covered = standing.covered
        assert (covered.sounds, covered.sounds_said, covered.sounds_by) == (15, 6, "letters")

    def test_pages_come_in_order_and_end(self, studio: Studio) -> None:
        _, first = studio.prompting.page("fish", "", "", 3)
        _, rest = studio.prompting.page("fish", "ada", first[-1].prompt.id, 3)
        assert [state.prompt.text for state in (*first, *rest)] == [
            "one fish",
            "two fish",
            "red fish",
            "blue fish",
        ]
        with pytest.raises(NotFound, match="no prompt 'x'"):
            studio.prompting.page("fish", "", "x", 3)
        with pytest.raises(BadInput, match="limit is -1"):
            studio.prompting.page("fish", "", "", -1)

    @pytest.mark.parametrize("reason", ["x" * 201, "a\nb", "bell\x07"])
    def test_reasons_are_short_and_one_line(self, studio: Studio, reason: str) -> None:
        with pytest.raises(BadInput, match="the reason"):
            studio.prompting.mark("fish", "ada", studio.id_of("red fish"), "skipped", reason)

    def test_a_prompt_that_is_not_there_cannot_be_marked(self, studio: Studio) -> None:
        with pytest.raises(NotFound, match="no prompt 'x'"):
            studio.prompting.mark("fish", "ada", "x", "skipped", "why not")
        assert [info.key for info in list_all(studio.store, "progress/")] == []

    def test_many_pages_of_one_speaker_lose_no_mark(self, studio: Studio) -> None:
        ids = [prompt.id for prompt in studio.prompting.lists.get("fish").prompts]
        threads = [
            threading.Thread(target=studio.prompting.mark, args=("fish", "ada", each, "skipped", "no"))
            for each in ids
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read_progress(studio.store, "ada", "fish").skipped == dict.fromkeys(ids, "no")

    def test_nothing_is_kept_of_somebody_who_withdrew(self, studio: Studio) -> None:
        bury(studio.store, ForgetSpec(voices=[Voice(source="user_recorded", speaker="ada")]), "2026-01-01")
        with pytest.raises(BadInput, match="was withdrawn"):
            studio.prompting.mark("fish", "ada", studio.id_of("red fish"), "skipped", "no")


def test_takes_are_read_once(studio: Studio) -> None:
    for number in range(500):
        studio.record(number, f"sentence {number}")
    studio.record(10_000_000, "one fish", speaker="bob")
    assert len(studio.next()) == 4
    reads = []
    get = studio.store.get
    studio.store.get = lambda key: reads.append(key) or get(key)  # type: ignore[method-assign, func-returns-value]
    studio.record(3000, "red fish")
    begun = time.monotonic()
    assert len(studio.next()) == 3
    assert reads == [keys.raw_record("user_recorded", "ada", f"u-{3000:020d}")]
    assert time.monotonic() - begun < 5
