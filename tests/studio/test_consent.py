"""The organisation's own text of consent, as somebody new sees and accepts it in a browser."""

import pytest
from chromium import Browsers, needs_chromium, new_context, serious_faults
from playwright.sync_api import expect
from protocol_process import KEY, address_of
from record_page import RecordPage
from service_process import ServiceProcess

pytestmark = needs_chromium
ENGLISH, GERMAN = "Our own words.\nIn two lines.", "Unsere eigenen Worte."


def test_who_is_new_agrees_to_the_text_of_their_language(
    browsers: Browsers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("consent")
    with (
        ServiceProcess("recorder", folder, recorder_http_port="0") as recorder,
        new_context(browsers.silent, f"http://{address_of(recorder, 'studio')}") as context,
    ):
        person = RecordPage(context)
        person.page.goto("/")
        expect(person["#consent-text"]).to_contain_text("I agree that my voice is recorded")
        person.ask("recorder/SetConsentText", language="en", text=ENGLISH)
        person.ask("recorder/SetConsentText", language="de", text=GERMAN)
        person.page.reload()
        expect(person["#consent-text"]).to_have_text(ENGLISH)
        assert person["#consent-text"].inner_text() == ENGLISH  # in its lines
        person["#agree"].check()
        person["#language"].fill("de-AT")
        person["#language"].press("Tab")
        expect(person["#consent-text"]).to_have_text(GERMAN)
        expect(person["#consent-text"]).to_have_attribute("lang", "de")
        expect(person["#agree"]).not_to_be_checked()  # that was of another text
        assert serious_faults(person.page) == []
        person.sign_up(person.page, "Ada")
        expect(person["#prompt"]).not_to_be_empty()
        [ada] = person.ask("recorder/ListSpeakers")["speakers"]
        assert (ada["consent"], ada["consent_version"]) == (GERMAN, "de/1")
        person.ask("recorder/SetConsentText", language="de", text="Neue Worte.")
        person.page.goto("/review")
        person.page.get_by_role("button", name="Consent of Ada").click()
        dialog = person.page.get_by_role("dialog")
        expect(dialog).to_contain_text("text de/1")
        expect(dialog).to_contain_text(GERMAN)
        assert person.errors == []


def test_only_who_has_the_key_sets_a_text(
    browsers: Browsers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("locked")
    with ServiceProcess("recorder", folder, recorder_http_port="0", api_key=KEY) as recorder:
        base = f"http://{address_of(recorder, 'studio')}"
        wanted = {"language": "en", "text": "Mine."}
        with new_context(browsers.silent, base) as admin, new_context(browsers.silent, base) as guest:
            assert admin.request.post("/rpc/recorder/SetConsentText", data=wanted).status == 401
            assert admin.request.post("/session", data={"key": KEY}).ok
            assert admin.request.post("/rpc/recorder/SetConsentText", data=wanted).ok
            known = {"name": "Ada", "consent": "Mine."}
            assert admin.request.post("/rpc/recorder/RegisterSpeaker", data=known).ok
            asked = admin.request.post("/rpc/recorder/InviteSpeaker", data={"speaker": "Ada"})
            assert guest.request.post("/session", data={"key": asked.json()["token"]}).ok
            refused = guest.request.post("/rpc/recorder/SetConsentText", data=wanted | {"text": "Yours."})
            assert refused.status == 403
            assert "needs the studio's key" in refused.json()["error"]["message"]
