import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloom.text import normalize

quick = settings(max_examples=100, deadline=None, database=None, derandomize=True)
LANGUAGES = st.sampled_from(["en", "tr", "ca", "hi", "fa", "th", "zh-CN", ""])
# Letters, marks, joiners and quotes that meet in real texts, more often than by chance.
TRICKY = st.text(
    st.sampled_from(
        "aIİıΣς '’ʼ´·-ﬁé\u0301\u0307\u0300ßनी्र\u200c\u200dन്യمخําທໍາ१½①ˣ\ufe0f\u20e3\u00ad\ud800\0\n"
    )
)


@quick
@given(text=st.one_of(st.text(), TRICKY), language=LANGUAGES)
def test_twice_is_once(text: str, language: str) -> None:
    once = normalize(text, language)
    assert normalize(once, language) == once


@quick
@given(text=st.one_of(st.text(), TRICKY), language=LANGUAGES)
def test_what_comes_out_is_words_of_letters_marks_and_digits(text: str, language: str) -> None:
    out = normalize(text, language)
    assert out == out.strip()
    assert "  " not in out
    assert out == unicodedata.normalize("NFC", out)
    for character in out:
        assert unicodedata.category(character)[0] in "LMN" or character in " '·\u200c\u200d", hex(
            ord(character)
        )
    for word in out.split():
        assert unicodedata.category(word[0])[0] in "LN"


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("en", "Don’t — “STOP”!", "don't stop"),
        ("en", "'tis the dogs' rock 'n' roll, y'all'd", "tis the dogs rock n roll y'all'd"),
        ("en", "don´t don`t dont´", "don't don't dont"),
        ("en", "well-known e-mail\tA\u00a0B\nC", "well known e mail a b c"),
        ("en", "3rd of May 1998, £5.50", "third of may nineteen ninety eight five pounds fifty pence"),
        ("en", "co\u00adoperate zero\u200bwidth \ufeffbom", "cooperate zerowidth bom"),
        ("en", "the ﬁrst Ｆｕｌｌ １２ ½ x² ①", "the first full twelve one two x two one"),
        ("en", "I ❤️ emoji 👩‍👩‍👧 1️⃣", "i emoji one"),
        ("en", "İ and I", "i and i"),
        ("tr", "İSTANBUL IĞDIR Iı İi", "istanbul ığdır ıı ii"),
        ("az", "QIRMIZI", "qırmızı"),
        ("tr-TR", "I", "ı"),
        ("de", "Straße ÜBER", "straße über"),
        ("de", "U\u0308ber", "über"),
        ("fr", "L’été, aujourd’hui… où ?", "l'été aujourd'hui où"),
        ("ca", "COL·LEGI l·l a · b", "col·legi l·l a b"),
        ("en", "a·b", "a b"),
        ("el", "ΟΔΟΣ ΣΟΦΟΣ.", "οδος σοφος"),
        ("uk", "М’ята п'ять", "м'ята п'ять"),
        ("cy", "Mae'r tŷ'n fawr", "mae'r tŷ'n fawr"),
        ("rm-sursilv", "Il ‹cudisch›, mo' ê!", "il cudisch mo ê"),
        ("hi", "हिन्दी में, क्या? १२।", "हिन्दी में क्या १२"),
        ("mr", "दर्‍या दर्या", "दर्‍या दर्या"),
        ("bn", "র‍্যাব", "র‍্যাব"),
        ("ml", "അവന്‍ അവൻ", "അവൻ അവൻ"),
        ("si", "ශ්‍රී", "ශ්‍රී"),
        ("ta", "தமிழ் – அழகு!", "தமிழ் அழகு"),
        ("th", "น้ำตาล ๆ ฯลฯ", "น้ำตาล ๆ ฯลฯ"),
        ("lo", "ນ້ຳ", "ນ້ຳ"),
        ("fa", "می‌خواهم، ‌این", "می‌خواهم این"),
        ("ar", "الســـلامُ عليكم؟ ١٢٣", "السلامُ عليكم مائة و ثلاثة و عشرون"),
        ("he", "צה״ל ג׳ירפה", "צהל ג'ירפה"),
        ("zh-CN", "你好，世界！二〇二六年", "你好 世界 二〇二六年"),
        ("ja", "コーヒー・ケーキ「だ」。人々", "コーヒー ケーキ だ 人々"),
        ("ko", "안녕하세요?", "안녕하세요"),
        ("am", "ሰላም፡ዓለም።", "ሰላም ዓለም"),
        ("haw", "Hawaiʻi ʻOkina", "hawaiʻi ʻokina"),
        ("en", "", ""),
        ("en", " ?!… ", ""),
    ],
)
def test_scripts_and_languages(language: str, text: str, wanted: str) -> None:
    assert normalize(text, language) == wanted


def test_the_two_ways_to_type_an_accent_are_one() -> None:
    assert normalize("é ñ ệ 각", "en") == normalize(unicodedata.normalize("NFD", "é ñ ệ 각"), "en")
