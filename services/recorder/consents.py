"""What new speakers are asked to agree to, in the organisation's own words: every version is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from services.recorder.labels import check_consent, check_language
from voxloom import keys
from voxloom.errors import BadInput
from voxloom.record import Part, Record
from voxloom.storage import ObjectStore, change_model, find_model, list_all, read_model, usable

MAX_VERSIONS = 500  # of a language


class ConsentVersion(Part):
    text: str  # "": from then on none is asked for
    set_at: str  # ISO 8601, UTC


class ConsentTexts(Record):
    """consents/<language>.json. The last version is the one that is shown; none ever changes or goes."""

    language: str  # BCP 47
    versions: list[ConsentVersion] = Field(default_factory=list)


@dataclass(frozen=True)
class ConsentText:
    language: str
    version: str = ""  # as en/2; "" where there is none
    text: str = ""
    set_at: str = ""
    current: bool = False


class Consents:
    """Methods block and can be called from many threads."""

    def __init__(self, store: ObjectStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    def set(self, language: str, text: str) -> ConsentText:
        """Shown from now on; an empty text takes the one before back. BadInput for what is no text."""
        language = check_language(language).lower()
        wanted = check_consent(text) if text.strip() else ""
        at = self._now().isoformat(timespec="milliseconds")

        def changed(found: ConsentTexts | None) -> ConsentTexts | None:
            old = found or ConsentTexts(language=language)
            if (old.versions[-1].text if old.versions else "") == wanted:
                return None
            if len(old.versions) >= MAX_VERSIONS:
                raise BadInput(f"the text in {language} has had {MAX_VERSIONS} versions, which are all kept")
            new = ConsentVersion(text=wanted, set_at=at)
            return old.model_copy(update={"versions": [*old.versions, new]})

        old, new = change_model(self._store, keys.consents(language), ConsentTexts, changed)
        return _current(new or old or ConsentTexts(language=language))

    def get(self, language: str) -> ConsentText:
        """Of this language, else of what it is a kind of: de for de-AT. An empty one where none is set."""
        language = check_language(language).lower()
        for tag in dict.fromkeys((language, language.partition("-")[0])):
            found, _ = find_model(self._store, keys.consents(tag), ConsentTexts)
            if found is not None and (current := _current(found)).text:
                return current
        return ConsentText(language)

    def all(self) -> list[ConsentText]:
        """By language, the newest first."""
        listed = sorted(info.key for info in list_all(self._store, keys.CONSENTS))
        documents = usable(lambda key: read_model(self._store, key, ConsentTexts), listed)
        return [each for found in documents for each in reversed(_each(found))]

    def version_of(self, text: str) -> str:
        """The newest version that has these words; "" when the organisation never had them."""
        same = (each for each in self.all() if each.text == text)
        return max(same, key=lambda each: (each.current, each.set_at), default=ConsentText("")).version


def _each(found: ConsentTexts) -> list[ConsentText]:
    last = len(found.versions)
    return [
        ConsentText(found.language, f"{found.language}/{number}", each.text, each.set_at, number == last)
        for number, each in enumerate(found.versions, start=1)
        if each.text
    ]


def _current(found: ConsentTexts) -> ConsentText:
    each = _each(found)
    return each[-1] if each and each[-1].current else ConsentText(found.language)
