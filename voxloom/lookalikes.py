"""Characters that readers cannot tell apart, or only by the font; after normalisation, so in lower case."""

# Of different scripts: fine in a text of two scripts, a mistake of typing inside a word of the other one.
ACROSS_SCRIPTS = (
    "aаα",  # Latin, Cyrillic, Greek
    "bь",
    "cсϲ",
    "dԁ",
    "eе",
    "hһհ",  # Latin, Cyrillic, Armenian
    "iіι",
    "jјϳ",
    "kкκ",
    "nո",
    "oоοօ",
    "pрρ",
    "qԛզ",
    "sѕ",
    "tт",
    "uυս",
    "vνѵ",
    "wѡԝ",
    "xхχ",
    "yуγ",
    "ïїϊ",
    "ëё",
    "æӕ",
    "əә",
    "ßβ",
    "ŋη",
    "ɛε",
    "ɣγ",
    "óό",
)
# Of one script, or of none: where a language has one of them, the other is a mistake.
WITHIN_SCRIPT = (
    "əǝ",  # Azerbaijani, Kanuri
    "đð",
    "șş",  # Romanian, Turkish
    "țţ",
    "'ʻʼʾʿˈˊꞌ",  # apostrophe, okina, half rings
    "·ꞏ",
    "يی",  # Arabic, Persian
    "كک",
    "هہ",  # Arabic, Urdu
    "ةۃ",
)


def _twins() -> dict[str, str]:
    twins: dict[str, str] = {}
    for group in ACROSS_SCRIPTS:
        for character in group:
            twins[character] = twins.get(character, "") + group.replace(character, "")
    return twins


TWINS = _twins()  # a character and its look-alikes of other scripts
