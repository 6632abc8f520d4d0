"""How much of each source is trained on: the mixtures that are asked for by name, and those from a file."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from voxloom.errors import BadInput
from voxloom.record import Part

SourceName = Literal["own", "commonvoice", "tts", "imported"]
FOLDERS: dict[SourceName, str] = {
    "own": "user_recorded",
    "commonvoice": "commonvoice",
    "tts": "tts_generated",
    "imported": "imported",
}  # the source in keys and records
NAMES = {folder: name for name, folder in FOLDERS.items()}

_MAX_CLIPS = 1_000_000_000
_MAX_NAMES = 100


class Share(Part):
    """What is wanted of one source. `max`, `max_hours` and `fraction` bound what is trained on; val and test
    stay whole. `min` counts all usable utterances, and fewer are told and built. `fraction` chooses by hash,
    of the sentence for own recordings: a smaller one is part of a larger one, and stays it as data grows."""

    min: int = Field(default=0, ge=0, le=_MAX_CLIPS)
    max: int | None = Field(default=None, ge=0, le=_MAX_CLIPS)
    max_hours: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)
    corpora: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)  # empty: all
    languages: tuple[str, ...] = Field(default=(), max_length=_MAX_NAMES)  # empty: all
    fraction: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max {self.max} is less than min {self.min}")
        return self

    def wants(self, corpus: str, language: str) -> bool:
        """Whether a corpus and a language, as far as they are known, are part of it."""
        return _among(corpus, self.corpora) and _among(language, self.languages)


class Mix(Part):
    """Sources that are not named are left out entirely."""

    name: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")
    sources: dict[SourceName, Share] = Field(min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**31)

    def share(self, source: str) -> Share | None:
        """Of a source as records name it; None for one that is left out."""
        name = NAMES.get(source)
        return self.sources.get(name) if name else None

    def wants(self, source: str, corpus: str = "", language: str = "") -> bool:
        share = self.share(source)
        return share is not None and share.wants(corpus, language)


PRESETS: dict[str, Mix] = {
    mix.name: mix
    for mix in (
        Mix(
            name="hybrid",
            sources={
                "own": Share(min=400, max=500),
                "commonvoice": Share(min=400, max=500),
                "tts": Share(min=200, max=300),
            },
        ),
        Mix(name="own+tts", sources={"own": Share(min=600, max=700), "tts": Share(min=200, max=300)}),
        Mix(
            name="own+commonvoice",
            sources={"own": Share(min=400, max=500), "commonvoice": Share(min=500, max=600)},
        ),
    )
}


def mix_of(values: object, where: str = "the mix") -> Mix:
    """A mix that came from outside; BadInput names what is wrong with it."""
    if not isinstance(values, Mapping):
        raise BadInput(f"{where} is a {type(values).__name__}; expected name, sources and, if need be, seed")
    _refuse_unknown(values, Mix, where)
    sources = values.get("sources")
    for name, share in sources.items() if isinstance(sources, Mapping) else ():
        if isinstance(share, Mapping):
            _refuse_unknown(share, Share, f"{where}, source {str(name)[:60]}")
    try:
        return Mix.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'mix'}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise BadInput(f"{where} cannot be used: {faults}") from error


def _refuse_unknown(values: Mapping[Any, Any], model: type[Part], where: str) -> None:
    """A misspelt `max` must not pass for no bound."""
    known = list(model.model_fields)
    if unknown := [str(name)[:60] for name in values if name not in known]:
        raise BadInput(f"{where} has no {', '.join(unknown[:5])}; expected {', '.join(known)}")


def _among(name: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or not name or name in wanted
