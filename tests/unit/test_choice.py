"""Which prompts are chosen, by what was said and by what a model mishears; when a take has other words."""

import random
import time
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from report_maker import report_line

from services.recorder.choice import CHARACTER, PAIR, WORD, Offer, choose, count, heard_of, offer, weigh
from services.recorder.coverage import Coverage
from services.recorder.misheard import (
    Scored,
    Usual,
    count_misheard,
    has_other_words,
    usual_by_voice,
)
from services.recorder.prompt_lists import Prompt, PromptList, built_in
from services.recorder.served import Models
from services.recorder.sounds import ESPEAK, LETTERS, Sounds, Spoken
from voxloom import keys
from voxloom.bundle import Bundle, PointerEntry, ProductionPointer, write_bundle
from voxloom.record import to_line
from voxloom.run_report import HeardUtterance
from voxloom.storage import FolderStore, write_model
from voxloom.text import normalize
from voxloom.wer import char_edits, word_edits

BY_LETTERS = Spoken(LETTERS, {})


def pick(offered: Offer, most: int, said: Sequence[str] = ()) -> list[int]:
    heard = count(offered, [heard_of(offered, each, BY_LETTERS) for each in said])
    return [each.prompt for each in choose(offered, range(len(offered.prompts)), heard, weigh(offered), most)]


def worth(offered: Offer, prompts: Sequence[int]) -> float:
    counts = count(offered, [offered.prompts[index] for index in prompts])
    return float(weigh(offered) @ np.log1p(counts))


class TestChoice:
    def test_what_brings_more_comes_first_and_equals_in_their_order(self) -> None:
        offered = offer(["aaaa", "abcd", "efgh", "aaaa b"], BY_LETTERS)
        assert pick(offered, 2) == [1, 2]
        assert pick(offered, 9)[:2] == [1, 2]
        assert sorted(pick(offered, 9)) == [0, 1, 2, 3]

    def test_what_was_said_before_counts_less(self) -> None:
        offered = offer(["abcd", "efgh"], BY_LETTERS)
        assert pick(offered, 1, said=["dcba", "abcd"]) == [1]
        assert pick(offered, 1, said=["efgh"]) == [0]

    def test_it_is_by_the_second_so_long_prompts_do_not_win_by_length(self) -> None:
        offered = offer(["abcdefgh " * 12, "ijklmnop"], BY_LETTERS)
        assert pick(offered, 1) == [1]

    def test_the_lazy_choice_is_the_plain_greedy_one(self) -> None:
        """Oracle: every gain anew at each step."""
        letters = random.Random(1)
        sentences = [
            "".join(letters.choices("abcdefgh ", k=letters.randint(3, 30))).strip() or "a" for _ in range(60)
        ]
        offered = offer(sentences, BY_LETTERS)
        taken: list[int] = []
        for _ in range(15):
            left = [index for index in range(60) if index not in taken]
            gains = [
                round(
                    (worth(offered, [*taken, each]) - worth(offered, taken)) / offered.prompts[each].seconds,
                    9,
                )
                for each in left
            ]
            taken.append(left[gains.index(max(gains))])
        assert pick(offered, 15) == taken

    def test_it_is_not_far_from_the_best_choice_there_is(self) -> None:
        """Of equally long prompts: at least 1 - 1/e of the best three of twelve."""
        letters = random.Random(2)
        offered = offer(["".join(letters.choices("abcdefghijkl", k=8)) for _ in range(12)], BY_LETTERS)
        best = max(worth(offered, each) for each in combinations(range(12), 3))
        assert worth(offered, pick(offered, 3)) >= (1 - 1 / np.e) * best

    def test_it_covers_more_than_the_order_of_the_list(self) -> None:
        texts = [normalize(prompt.text, "en") for prompt in built_in().prompts]
        offered = offer(texts, BY_LETTERS)

        def pairs(chosen: Sequence[int]) -> int:
            counts = count(offered, [offered.prompts[each] for each in chosen])
            return sum(counts[pair] > 0 for pair in offered.pairs)

        assert pairs(pick(offered, 100)) > 1.15 * pairs(range(100))

    def test_it_says_why(self) -> None:
        spoken = Spoken(ESPEAK, {"vision": ("v", "ɪ", "ʒ", "ə", "n"), "in": ("ɪ", "n"), "ni": ("n", "ɪ")})
        offered = offer(["in", "vision", "ni", "in ni"], spoken)
        chosen = choose(offered, range(4), np.zeros(len(offered.names)), weigh(offered), 4)
        because = {each.prompt: each.because for each in chosen}
        assert because[1] == "brings v, i, s, o and 6 more"
        assert because[3] == "brings new pairs of sounds: ɪ-n, n-n, n-ɪ"
        assert "has more of what was said least" in because.values()

    def test_a_thousand_of_twenty_thousand_prompts_do_not_take_long(self) -> None:
        words = random.Random(3)
        prompts = [
            " ".join(words.choices(("go", "left", "three", "bridge", "zoo"), k=6)) for _ in range(20_000)
        ]
        offered = offer(prompts, BY_LETTERS)
        pick(offered, 1)
        begun = time.process_time()
        pick(offered, 1)
        assert time.process_time() - begun < 0.5


def scored(reference: str, heard: str, speaker: str = "ada", source: str = "user_recorded") -> Scored:
    edits = word_edits(reference, heard), char_edits(reference, heard)
    return Scored(reference, heard, *edits, True, source, speaker)


class TestMisheard:
    def test_what_goes_wrong_more_often_than_the_rest_counts_more(self) -> None:
        lines = [scored("one three", "one tree")] * 8 + [scored("one two", "one two")] * 8
        found = count_misheard(lines, BY_LETTERS)
        assert found.factor((WORD, "three")) > 0 == found.factor((WORD, "one"))
        assert found.factor((CHARACTER, "h")) > 1 > found.factor((CHARACTER, "o"))
        assert found.factor((PAIR, "t h")) > 1 > found.factor((PAIR, "o n"))
        assert found.factor((PAIR, "z z")) == pytest.approx(1)  # it was never heard, so nothing is known

    def test_a_model_that_gets_all_wrong_alike_or_nothing_tells_nothing(self) -> None:
        for heard in ("", "one two three"):
            found = count_misheard([scored("one two three", heard)] * 5, BY_LETTERS)
            assert {found.factor((CHARACTER, each)) for each in "ontwhre"} == {1.0}
            assert found.factor((WORD, "three")) == 0

    def test_the_choice_follows_the_model_in_production_and_says_so(self, tmp_path: Path) -> None:
        store = FolderStore(tmp_path)
        sounds = Sounds(program="none such")
        coverage = Coverage(Models(store, sounds), sounds)
        prompts = PromptList(
            name="n",
            language="en",
            prompts=[
                Prompt(id=str(i), text=text) for i, text in enumerate(("won one", "the three", "own now"))
            ],
        )
        said = [(prompt.text, "en") for prompt in prompts.prompts] * 3 + [("the three", "en")] * 9
        before = coverage.choose(prompts, range(3), said, 1)
        lines = [report_line(n, "one three", greedy="one free") for n in range(40)]
        promote(store, "m-1", lines)
        after = coverage.choose(prompts, range(3), said, 1)
        assert (before[0].prompt != 1, after[0].prompt) == (True, 1)
        assert after[0].because == "the model mishears 'three'"
        store.put(keys.run_utterances("r-m-1"), b"".join(map(to_line, lines[:2])))  # somebody was forgotten
        assert coverage.choose(prompts, range(3), said, 1)[0].because != after[0].because
        promote(store, "m-1", lines)
        other = prompts.model_copy(update={"language": "cy"})
        assert coverage.choose(other, range(3), said, 1)[0].because != after[0].because


def promote(store: FolderStore, model: str, lines: Sequence[HeardUtterance]) -> None:
    run = f"r-{model}"
    store.put(keys.run_utterances(run), b"".join(map(to_line, lines)))
    write_bundle(
        store,
        Bundle(
            model=model,
            run=run,
            dataset="d",
            created_at="2026-01-01",
            files={},
            served_file="model.onnx",
            languages=["en"],
            normalizer_version=1,
            feature_version=1,
            subsampling=4,
            parameters=1,
            recipe="tiny",
        ),
    )
    entry = PointerEntry(model=model, at="2026-01-01", why="test")
    write_model(store, keys.PRODUCTION, ProductionPointer(model=model, history=[entry]))


class TestOtherWords:
    PROMPT = "go left at the bridge and wait"

    def test_a_good_model_tells_another_text(self) -> None:
        usual = Usual(rate=0.1, characters=0.04)
        assert has_other_words(self.PROMPT, "rice is often served in bowls", usual)
        assert has_other_words(self.PROMPT, "", usual)
        assert not has_other_words(self.PROMPT, self.PROMPT, usual)
        assert not has_other_words(self.PROMPT, "go let at a bridge an weight", usual)

    def test_pairs_of_the_built_in_list_are_told_apart(self) -> None:
        """Whatever a model of up to 40 % may make of it: what it hears is nearer to what was read."""
        texts = [normalize(prompt.text, "en") for prompt in built_in().prompts[::7]]
        usual = Usual(rate=0.4, characters=0.2)
        pairs = list(pairwise(text for text in texts if len(text.split()) > 5))
        assert sum(has_other_words(*each, usual) for each in pairs) / len(pairs) > 0.99

    @pytest.mark.parametrize("rate", [0.41, 0.8, 1.0, float("inf")])
    def test_a_poor_model_accuses_nobody(self, rate: float) -> None:
        assert not has_other_words(self.PROMPT, "rice is served", Usual(rate, characters=0.05))

    def test_one_word_is_too_short_to_tell(self) -> None:
        usual = Usual(rate=0.1, characters=0.04)
        assert not has_other_words("stop", "rice", usual)
        assert has_other_words("stop here", "rice is served", usual)
        assert has_other_words("stop", "rice is served", usual)  # one word is not heard as three by chance
        assert has_other_words("stop", "rice", Usual(rate=0.0, characters=0.0))

    def test_the_worse_the_model_the_further_off_a_text_must_be(self) -> None:
        limits = [Usual(rate, rate / 2).limit for rate in (0.0, 0.1, 0.2, 0.4)]
        assert limits == sorted(limits)
        assert limits[-1] < 0.58  # the most alike of 1,500 pairs of sentences

    def test_a_voice_is_measured_by_itself_or_by_new_voices(self) -> None:
        own = [scored("go left", "go left")] * 20 + [scored("go left", "x y", speaker="bob")] * 19
        others = [scored("go left", "go lift", source="commonvoice", speaker=f"s{n}") for n in range(20)]
        found = usual_by_voice([*own, *others])
        assert found.keys() == {"ada", ""}
        assert found["ada"].rate == 0
        assert found[""].rate == 0.5
        assert usual_by_voice(own).keys() == {"ada"}  # nothing is known of voices that are new
