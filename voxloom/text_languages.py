"""How languages write numbers: what the rules of `text_numbers` need to know of each. A row a language."""

from dataclasses import dataclass, field

_APOSTROPHE = "'"


@dataclass(frozen=True)
class Grammar:
    """An empty field: no rule, so the part is read number by number or, for a sign, not at all.

    `point`, `minus` and `percent` are words for readers; `percent` only where it never changes its form.
    """

    signs: tuple[str, str] = (
        "",
        "",
    )  # what parts thousands, what stands before decimals: one of the characters
    point: str = ""
    minus: str = ""
    percent: str = ""
    money: frozenset[str] = frozenset()  # currencies whose names num2words has right
    spaced: bool = True  # words are parted by spaces
    years: bool = False  # a year is read otherwise than the number
    months: str = ""  # parted by |
    year_words: tuple[str, ...] = ()  # after which four digits are a year
    since: tuple[str, ...] = ()  # after which they are one where the clause ends with them
    endings: dict[str, str] = field(default_factory=dict)  # written after digits: the rule for the ordinal

    @property
    def before_years(self) -> set[str]:
        return {*self.months.split("|"), *self.year_words}


def _money(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


# The ordinal of num2words, and what becomes of its end: "o>a" is a feminine.
_SAME = ""
_SPANISH = {  # º and ª are o and a by now
    **dict.fromkeys(("o", ".o"), _SAME),
    **dict.fromkeys(("a", ".a"), "o>a"),
    **dict.fromkeys(("er", ".er"), "o>"),
}
_ENGLISH = dict.fromkeys(("st", "nd", "rd", "th"), _SAME)
_FRENCH = {
    **dict.fromkeys(("er", "e", "ème", "eme", "ième"), _SAME),
    **dict.fromkeys(("re", "ère"), "premier>première"),
}
_WELSH = dict.fromkeys(("af", "il", "ydd", "ed", "fed", "eg", "ain"), _SAME)
_GERMAN_MONTHS = "januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember"
_ENGLISH_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_DUTCH_MONTHS = "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"
_POINT_IN_SPANISH = ("mx", "us", "gt", "hn", "ni", "pa", "pr", "sv", "do", "pe")
_POINT = (",", ".")
_COMMA = (".", ",")
_SPACE = (" ", ",")

GRAMMARS: dict[str, Grammar] = {
    "ar": Grammar(("٬", "٫"), minus="ناقص"),
    "az": Grammar(_COMMA, point="nöqtə", minus="mənfi", percent="faiz"),
    "be": Grammar(_SPACE, point="коска", minus="мінус", money=_money("EUR USD")),
    "ca": Grammar(_COMMA, point="coma", minus="menys", percent="per cent", money=_money("EUR USD GBP")),
    "cs": Grammar(_SPACE, minus="minus"),
    "cy": Grammar(_POINT, point="pwynt", minus="minws", percent="y cant", endings=_WELSH),
    "da": Grammar(_COMMA, point="komma", minus="minus", percent="procent"),
    "de": Grammar(
        _COMMA,
        point="komma",
        minus="minus",
        percent="prozent",
        money=_money("EUR USD GBP"),
        years=True,
        months=_GERMAN_MONTHS,
        year_words=("jahr", "jahre", "jahres"),
        since=("seit", "anno"),
    ),
    "en": Grammar(
        _POINT,
        point="point",
        minus="minus",
        percent="percent",
        money=_money("EUR USD GBP INR"),
        years=True,
        months=_ENGLISH_MONTHS,
        year_words=("year",),
        since=("in", "since", "until"),
        endings=_ENGLISH,
    ),
    "eo": Grammar(_SPACE, point="komo", minus="minus", endings={"a": _SAME}),
    "es": Grammar(
        _COMMA,
        point="coma",
        minus="menos",
        percent="por ciento",
        money=_money("EUR GBP"),  # $ is many a country's peso
        endings=_SPANISH,
    ),
    "fa": Grammar(("٬", "٫"), point="ممیز", minus="منفی", percent="درصد"),
    "fi": Grammar(_SPACE, point="pilkku", minus="miinus", money=_money("EUR USD GBP")),
    "fr": Grammar(
        _SPACE,
        point="virgule",
        minus="moins",
        percent="pour cent",
        money=_money("EUR USD"),
        endings=_FRENCH,
    ),
    "he": Grammar(_POINT, point="נקודה", minus="מינוס"),
    "hu": Grammar(_SPACE, minus="mínusz", percent="százalék"),
    "id": Grammar(_COMMA, point="koma", minus="minus", percent="persen"),
    "is": Grammar(_COMMA, point="komma", minus="mínus"),
    "it": Grammar(
        _COMMA,
        point="virgola",
        minus="meno",
        percent="per cento",
        money=_money("EUR USD GBP"),
        endings=_SPANISH,
    ),
    "ja": Grammar(_POINT, point="点", minus="マイナス", percent="パーセント", spaced=False),
    "kk": Grammar(_SPACE, minus="минус"),
    "ko": Grammar(_POINT, point="점", minus="마이너스", percent="퍼센트"),
    "lt": Grammar(_SPACE, point="kablelis", minus="minus", money=_money("EUR USD GBP")),
    "lv": Grammar(_SPACE, point="komats", minus="mīnus", money=_money("EUR USD")),
    "nl": Grammar(
        _COMMA,
        point="komma",
        minus="min",
        percent="procent",
        money=_money("EUR USD GBP"),
        years=True,
        months=_DUTCH_MONTHS,
        year_words=("jaar",),
        since=("in", "sinds"),
        endings=dict.fromkeys(("e", "ste", "de"), _SAME),
    ),
    "no": Grammar(_SPACE, point="komma", minus="minus", percent="prosent"),
    "pl": Grammar(_SPACE, point="przecinek", minus="minus", percent="procent", money=_money("EUR")),
    "pt": Grammar(
        _COMMA,
        point="vírgula",
        minus="menos",
        percent="por cento",
        money=_money("EUR"),
        endings=_SPANISH,
    ),
    "ro": Grammar(_COMMA, point="virgulă", minus="minus", percent="la sută"),
    "ru": Grammar(_SPACE, minus="минус", money=_money("EUR USD RUB")),
    "sk": Grammar(_SPACE, minus="mínus"),
    "sl": Grammar(_COMMA, minus="minus"),
    "sr": Grammar(_COMMA, point="zapeta", minus="minus"),
    "sv": Grammar(
        _SPACE,
        point="komma",
        minus="minus",
        percent="procent",
        endings={":a": _SAME, ":e": _SAME},
    ),
    "th": Grammar(_POINT, point="จุด", minus="ลบ", percent="เปอร์เซ็นต์", spaced=False),
    "tr": Grammar(_COMMA, point="virgül", minus="eksi"),
    "uk": Grammar(_SPACE, point="кома", minus="мінус", money=_money("EUR USD GBP UAH")),
    "vi": Grammar(_COMMA, point="phẩy", minus="âm", percent="phần trăm"),
}
# Regions whose signs are not those of their language elsewhere.
REGIONS: dict[str, tuple[str, str]] = {
    **{f"es-{region}": (",", ".") for region in _POINT_IN_SPANISH},
    **{f"{language}-{region}": (_APOSTROPHE, ".") for language in ("de", "it") for region in ("ch", "li")},
    "de-at": (" .", ","),
    "en-za": (" ", ",."),
}
# Languages of which num2words said every whole number of up to nine digits that was tried; of Amharic it does
# not come back from some, and Serbian it writes in the Latin script alone. The value is its name for the tag.
NUM2WORDS_NAMES = {
    **{
        tag: tag
        for tag in (
            *(
                "ar",
                "az",
                "be",
                "bn",
                "ca",
                "ce",
                "cs",
                "cy",
                "da",
                "de",
                "en",
                "eo",
                "es",
                "fa",
                "fi",
                "fr",
                "he",
            ),
            *(
                "hu",
                "id",
                "is",
                "it",
                "ja",
                "kn",
                "ko",
                "lt",
                "lv",
                "nl",
                "no",
                "pl",
                "pt",
                "ro",
                "ru",
                "sk",
                "sl",
            ),
            *("sv", "te", "tet", "tg", "th", "tr", "uk", "vi"),
        )
    },
    "kk": "kz",
    "nb": "no",
    "iw": "he",
    "in": "id",
    "sr-latn": "sr",
    "pt-br": "pt_BR",
    "fr-be": "fr_BE",
    "fr-ch": "fr_CH",
    "en-in": "en_IN",
}
