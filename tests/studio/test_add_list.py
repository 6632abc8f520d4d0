"""Prompts from files, in a real browser: chosen by keyboard, sent, and told line by line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browsers, needs_chromium, new_context, serious_faults
from playwright.sync_api import Route, expect
from record_page import RecordPage

pytestmark = needs_chromium
VALIDATED = "sentence_id\tsentence\tsentence_domain\n"


@pytest.fixture
def person(browsers: Browsers, base: str, request: pytest.FixtureRequest) -> Iterator[RecordPage]:
    with new_context(browsers.silent, base) as context:
        page = RecordPage(context)
        page.page.goto("/")
        page.sign_up(page.page, request.node.name[:60])
        expect(page["#prompt"]).not_to_be_empty()
        yield page
        assert page.errors == []


def choose(person: RecordPage, *files: Path) -> None:
    person["#add-list"].focus()
    person.press("Enter")
    expect(person["#list-files"]).to_be_focused()
    person["#list-files"].set_input_files(files)


def test_a_file_becomes_the_list_that_is_read(person: RecordPage, tmp_path: Path) -> None:
    path = tmp_path / "My Fish.txt"
    path.write_text("One fish swims.\nTwo fish swim.\n12345\none fish swims\na\tb\tc\n", encoding="utf-8")
    choose(person, path)
    expect(person["#list-name"]).to_have_value("my-fish")
    assert serious_faults(person.page) == []
    person["#list-name"].press("Enter")
    dialog = person.page.get_by_role("dialog", name="my-fish: 2 prompts")
    expect(dialog.get_by_role("status")).to_have_text("2 new prompts, 0 that were there; 3 lines left out.")
    rows = dialog.get_by_role("row").all_inner_texts()[1:]
    assert ["My Fish.txt:3" in rows[0], "My Fish.txt:4" in rows[1], "My Fish.txt:5" in rows[2]] == [True] * 3
    assert ["read it aloud" in rows[0], "stands before" in rows[1], "fields" in rows[2]] == [True] * 3
    assert serious_faults(person.page) == []
    person.press("Enter")  # Close has the focus
    expect(person["#list"]).to_have_value("my-fish")
    expect(person["#list"]).to_be_focused()
    expect(person["#prompt"]).to_have_text("One fish swims.")
    path.write_text("Two fish swim.\nThree fish swim.\n", encoding="utf-8")
    choose(person, path)
    person["#list-name"].press("Enter")
    expect(person["#list-told"]).to_have_text(
        "1 new prompts, 1 that were there; 1 that were there are no more in it; no lines left out."
    )


def test_a_late_answer_about_another_list_changes_nothing(person: RecordPage, tmp_path: Path) -> None:
    path = tmp_path / "fish.txt"
    path.write_text("One fish swims.\n", encoding="utf-8")
    choose(person, path)
    person["#list-name"].press("Enter")
    expect(person["#list-told"]).to_be_visible()
    person.press("Enter")
    expect(person["#prompt"]).to_have_text("One fish swims.")
    held: list[Route] = []
    person.page.route("**/recorder/NextPrompts", lambda route: held.append(route), times=1)
    other = person["#list"].locator("option:not([value=fish])").first.get_attribute("value")
    person["#list"].select_option(other)
    expect(person["#list"]).to_have_value(str(other))
    person["#list"].select_option("fish")
    expect(person["#prompt"]).to_have_text("One fish swims.")
    with person.page.expect_response("**/recorder/NextPrompts"):
        held[0].continue_()
    person.page.wait_for_timeout(500)
    expect(person["#prompt"]).to_have_text("One fish swims.")


def test_common_voice_mimic_and_piper_files(person: RecordPage, tmp_path: Path) -> None:
    rows = "".join(f"id{number}\tFish number {'x' * number} swims.\tgeneral\n" for number in range(900))
    files = {
        "validated_sentences.tsv": (VALIDATED + rows + "id900\tno domain\n", "900 new prompts", "1 lines"),
        "english_corpus.csv": (
            "One fish swims.\t14\t0\nTwo fish swim.\t14\t1\n",
            "2 new prompts",
            "no lines",
        ),
        "0_99.txt": ("1\tOne fish swims.\n2\tTwo fish swim.\n", "2 new prompts", "no lines"),
    }
    for name, (text, new, left) in files.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        choose(person, path)
        person["#list-name"].press("Enter")
        expect(person["#list-told"]).to_contain_text(new)
        expect(person["#list-told"]).to_contain_text(f"{left} left out")
        person.press("Escape")
        expect(person["#list"]).to_have_value(name.rpartition(".")[0].replace("_", "-"))


def test_what_cannot_be_read_is_said_where_it_can_be_put_right(person: RecordPage, tmp_path: Path) -> None:
    bad, good = tmp_path / "latin.txt", tmp_path / "good.txt"
    bad.write_bytes(b"a caf\xe9\n")
    good.write_text("Go left.\n")
    choose(person, bad)
    person["#list-name"].press("Enter")
    expect(person.page.get_by_role("alert")).to_contain_text("latin.txt is not utf-8 in line 1")
    person["#list-name"].fill("../x")
    person["#list-files"].set_input_files(good)
    person["#list-name"].press("Enter")
    expect(person.page.get_by_role("alert")).to_contain_text("name of a prompt list")
    person["#list-name"].fill("put-right")
    person["#list-name"].press("Enter")
    expect(person["#list-told"]).to_contain_text("1 new prompts, 0 that were there; no lines left out")
    names = [each["name"] for each in person.ask("recorder/ListPromptLists")["lists"]]
    assert "latin" not in names
    person.press("Escape")
    expect(person["#list"]).to_have_value("put-right")
