"""Files of prompts as others write them, read without trust: bytes to prompts, and counted refusals."""

import csv
import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.recorder.labels import check_prompt
from services.recorder.prompt_lists import MAX_PROMPTS, Prompt
from voxloom import keys
from voxloom.corpora.refusal import printable
from voxloom.corpora.sentences import sentence_key
from voxloom.errors import BadInput

MAX_BYTES = 16 << 20  # of all files of an import
MAX_FILES = 1000
_TEXT_NAMES = ("text", "sentence", "prompt", "transcript", "transcription", "sentence (mandatory)")
_ID_NAMES = ("id", "sentence_id", "prompt_id", "key")
_PIPER_FOLDER = re.compile(r"(?:.*/)?[^/]*_(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)/[^/]+\.txt")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_MAX_FIELDS = 100
_MAX_TOLD = 100  # refused lines

Line = tuple[str, str, str]  # where it stands, id or "", text


class Refused(StrEnum):
    """Why a line is no prompt."""

    BAD_ROW = "bad_row"  # fields missing, or quotes left open
    NOT_READABLE = "not_readable"  # empty, without letters, control characters, too long
    DUPLICATE = "duplicate"  # the same sentence stands before
    TOO_MANY = "too_many"  # beyond 20,000


@dataclass
class Found:
    """What files hold."""

    format: str
    language: str = ""  # where the files say it
    prompts: list[Prompt] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)  # the first refused ones: why, where

    def refuse(self, why: Refused, where: str, detail: str = "") -> None:
        self.refused[why] += 1
        told = printable(f"{where}: {detail}" if detail else where, 300)
        self.examples.setdefault(why, told)
        if len(self.lines) < _MAX_TOLD:
            self.lines.append((why, told))


@dataclass(frozen=True)
class _Bad:
    where: str
    detail: str


def read_prompts(files: Mapping[str, bytes], language: str = "") -> Found:
    """All prompts of the files, each sentence once, in their order; BadInput when there is none.

    A folder of Piper's prompts (`English (US)_en-US/0_99.txt`) may hold several languages, of which one is
    read. Everything else is told apart by its columns: see `_read_file`.
    """
    of_piper = {path: match["language"] for path in files if (match := _PIPER_FOLDER.fullmatch(path))}
    if of_piper and len(of_piper) == len(files):
        language = _choose_language(sorted(set(of_piper.values())), language)
        wanted = {path: data for path, data in files.items() if of_piper[path] == language}
        return _collect(Found("piper", language), _read_all(wanted, prefix=True))
    formats = {path: _read_file(path, data) for path, data in files.items()}
    found = Found("+".join(sorted({name for name, _ in formats.values()})) or "nothing", language)
    return _collect(found, (line for _, lines in formats.values() for line in lines))


def prompt_id(text: str) -> str:
    """For a prompt without a number: the same sentence has the same id in every version of a list."""
    return "s-" + hashlib.sha256(sentence_key(text).encode()).hexdigest()[:10]


def _choose_language(there: list[str], wanted: str) -> str:
    if wanted in there or (len(there) == 1 and not wanted):
        return wanted or there[0]
    raise BadInput(
        f"the folder has prompts in {', '.join(there)[:300]}, and {wanted or 'none'} was asked for; "
        "choose one: --language"
    )


def _collect(found: Found, lines: Iterable[Line | _Bad]) -> Found:
    ids: set[str] = set()
    sentences: set[str] = set()
    for line in lines:
        if isinstance(line, _Bad):
            found.refuse(Refused.BAD_ROW, line.where, line.detail)
            continue
        where, given, raw = line
        try:
            text = check_prompt(raw)
        except BadInput as error:
            found.refuse(Refused.NOT_READABLE, where, str(error))
            continue
        if (key := sentence_key(text)) in sentences:
            found.refuse(Refused.DUPLICATE, where, text)
        elif len(found.prompts) >= MAX_PROMPTS:
            found.refuse(Refused.TOO_MANY, where)
        else:
            sentences.add(key)
            found.prompts.append(Prompt(id=_free_id(given, text, ids), text=text))
    return _not_empty(found)


def _not_empty(found: Found) -> Found:
    if not found.prompts:
        reasons = (
            ", ".join(f"{count} {why}" for why, count in found.refused.most_common()) or "no line at all"
        )
        example = next(iter(found.examples.values()), "")
        raise BadInput(f"no prompt can be used ({reasons}){': ' + example if example else ''}")
    return found


def _free_id(given: str, text: str, ids: set[str]) -> str:
    """The one in the file if it can be a key and nobody has it, else one made of the sentence."""
    try:
        wanted = keys.check_id(given) if given else prompt_id(text)
    except BadInput:
        wanted = keys.slug(given)
    free = wanted if wanted not in ids else prompt_id(text)
    ids.add(free)
    return free


def _read_all(files: Mapping[str, bytes], prefix: bool) -> Iterator[Line | _Bad]:
    """Piper's lines, `id<TAB>text` or a text whose id is its number, with the group's name in front."""
    for path in sorted(files):
        group = posixpath.basename(path).removesuffix(".txt")
        for number, line in enumerate(_decode(path, files[path]).splitlines(), start=1):
            given, tab, text = line.partition("\t")
            if line.strip():
                yield f"{path}:{number}", f"{group}-{given if tab else number}", text if tab else line


def _read_file(path: str, data: bytes) -> tuple[str, Iterator[Line | _Bad]]:
    """Its format, and its lines:

    - `table`: CSV or TSV whose header names text, sentence, prompt or transcript, perhaps id or sentence_id
      (Common Voice's validated_sentences.tsv is one);
    - `mimic`: tabs without such a header: the column with most letters, as Mimic moved it;
    - `txt`: a sentence a line, or `id<TAB>sentence`.
    """
    lines = [(f"{path}:{number}", line) for number, line in _lines(path, data)]
    first = lines[0][1] if lines else ""
    is_csv = path.lower().endswith((".csv", ".tsv"))
    delimiter = "\t" if "\t" in first else ";" if is_csv and ";" in first and "," not in first else ","
    names = [each.strip().lower() for each in next(_split([("", first)], delimiter))[1]]
    if (at := _column(names, _TEXT_NAMES)) is not None and (len(names) > 1 or is_csv):
        return "table", _table(lines[1:], delimiter, at, _column(names, _ID_NAMES), len(names))
    if delimiter == "\t" and (is_csv or len(names) > 2):
        return "mimic", _mimic(lines)
    if is_csv:
        return "csv", _single_column(lines, delimiter)
    return "txt", _plain(lines)


def _lines(path: str, data: bytes) -> Iterator[tuple[int, str]]:
    """Those that are not blank, by number. Only line feeds part lines; other separators are bad."""
    for number, line in enumerate(_decode(path, data).split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def _decode(path: str, data: bytes) -> str:
    """UTF-8, or UTF-16 that begins with its mark, as spreadsheets write it."""
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"{printable(path)} is not {encoding} in line {line}; convert it, for example with "
            "iconv -f LATIN1 -t UTF-8. Nothing is stored"
        ) from error


def _column(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _split(lines: Iterable[tuple[str, str]], delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Each line by itself, so that a quote left open costs one line; such a line has no fields."""
    for where, line in lines:
        if delimiter == "\t":
            yield where, line.split("\t", _MAX_FIELDS)
            continue
        try:
            yield where, next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            yield where, []


def _table(
    lines: list[tuple[str, str]], delimiter: str, text_at: int, id_at: int | None, width: int
) -> Iterator[Line | _Bad]:
    for where, fields in _split(lines, delimiter):
        if len(fields) != width:
            yield _Bad(where, f"{len(fields) or 'unbalanced quotes, no'} fields; expected {width}")
        else:
            yield where, fields[id_at].strip() if id_at is not None else "", fields[text_at]


def _mimic(lines: list[tuple[str, str]]) -> Iterator[Line | _Bad]:
    rows = list(_split(lines, "\t"))
    letters: Counter[int] = Counter()
    for _, fields in rows:
        letters.update({at: sum(map(str.isalpha, value)) for at, value in enumerate(fields)})
    at = letters.most_common(1)[0][0]
    for where, fields in rows:
        yield (where, "", fields[at]) if at < len(fields) else _Bad(where, f"no column {at + 1}")


def _single_column(lines: list[tuple[str, str]], delimiter: str) -> Iterator[Line | _Bad]:
    for where, fields in _split(lines, delimiter):
        if len(fields) == 1:
            yield where, "", fields[0]
        else:
            yield _Bad(where, f"{len(fields)} fields and no header; name a column text in the first line")


def _plain(lines: list[tuple[str, str]]) -> Iterator[Line | _Bad]:
    for where, line in lines:
        fields = line.split("\t", _MAX_FIELDS)
        if len(fields) > 2:
            yield _Bad(where, f"{len(fields)} fields; expected a sentence, or id<TAB>sentence")
        else:
            yield where, fields[0].strip() if len(fields) == 2 else "", fields[-1]
