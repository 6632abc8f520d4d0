"""Which mixtures an experiment trains on. Each holds all sources, some of them for testing only: so all are
tested on the same utterances, and none trains on a sentence of any test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from voxloom.errors import BadInput, NotReady
from voxloom.mix import FOLDERS, Mix, Share, SourceName

Clips = Mapping[SourceName, int]  # utterances of each source that could be trained on

_MORE = {
    "tts": "there is no synthetic speech to train on; make some: voxloom tts",
    "commonvoice": "there are no clips of Common Voice to train on; import some: voxloom import commonvoice",
}


@dataclass(frozen=True)
class Arms:
    """What is compared with the first of them, and what is not, with the reason."""

    base: SourceName
    mixes: list[Mix]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def baseline(self) -> str:
        return self.mixes[0].name


def trained_on(name: str, *sources: SourceName) -> Mix:
    """All there is of these sources; the others judge only."""
    return Mix(name=name, sources={each: Share() if each in sources else Share(max=0) for each in FOLDERS})


def everything() -> Mix:
    return trained_on("everything", *FOLDERS)


def base_of(clips: Clips) -> SourceName:
    """The speech that matters: own recordings, or where there are none what was imported."""
    for source in ("own", "imported"):
        if clips.get(source):
            return source
    raise NotReady(
        "there are no own recordings and no imported speech to train on; record some (voxloom record), or "
        "import a corpus (voxloom import)"
    )


def standard(clips: Clips) -> Arms:
    """Own-only, with each of the other kinds, with all of them: as far as there is any."""
    base = base_of(clips)
    extras: tuple[SourceName, ...] = ("tts", "commonvoice")
    wanted = {f"{base}+{extra}": (base, extra) for extra in extras} | {"hybrid": (base, *extras)}
    left_out, mixes = {}, [trained_on(f"{base}-only", base)]
    for name, sources in wanted.items():
        if missing := [source for source in sources if not clips.get(source)]:
            left_out[name] = "; ".join(_MORE[source] for source in missing)
        else:
            mixes.append(trained_on(name, *sources))
    if base == "own" and clips.get("imported"):
        mixes.append(everything())
    if len(mixes) == 1:
        raise NotReady(f"there is nothing to compare {mixes[0].name} with: {'; '.join(_MORE.values())}")
    return Arms(base, mixes, left_out)


def given(mixes: Sequence[Mix | None], clips: Clips) -> Arms:
    """Mixtures that somebody named, against own-only; None stands for everything."""
    base = base_of(clips)
    found = [trained_on(f"{base}-only", base), *(_with_tests(mix) if mix else everything() for mix in mixes)]
    _refuse_repeated(mix.name for mix in found)
    return Arms(base, found)


def thinned(mix: Mix, part: float, sources: Iterable[SourceName]) -> Mix:
    """The mix with this part of the sources; a smaller part lies within a larger one."""
    shares = {name: _thin(share, part) if name in sources else share for name, share in mix.sources.items()}
    return _with_tests(mix).model_copy(update={"sources": {**_with_tests(mix).sources, **shares}})


def _thin(share: Share, part: float) -> Share:
    """Bounds are what decides where there are some, else the hash of each sentence."""
    changes: dict[str, object] = {"min": 0}
    if share.max is not None:
        changes["max"] = round(share.max * part)
    if share.max_hours is not None:
        changes["max_hours"] = share.max_hours * part
    if len(changes) == 1:
        changes["fraction"] = (share.fraction or 1.0) * part
    return share.model_copy(update=changes)


def _with_tests(mix: Mix) -> Mix:
    """Sources that it does not name are held out of training, not out of the tests."""
    tested = {name: Share(max=0) for name in FOLDERS if name not in mix.sources}
    return mix.model_copy(update={"sources": {**mix.sources, **tested}})


def _refuse_repeated(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadInput(f"two mixes are named {name}; give each a name of its own")
        seen.add(name)
