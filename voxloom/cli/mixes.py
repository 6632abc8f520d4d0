"""`--mix`: the name of a mixture or a YAML file with one, as a message."""

from pathlib import Path

import yaml

from voxloom.errors import BadInput
from voxloom.mix import PRESETS, Mix, mix_of
from voxloom.v1 import ingest_pb2

EVERYTHING = "all"
_MAX_BYTES = 64 * 1024
_MAX_DEPTH = 8


def read_mix(name: str) -> Mix | None:
    """None for everything; BadInput says what is wrong with a name or a file."""
    if name == EVERYTHING:
        return None
    if name in PRESETS:
        return PRESETS[name]
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = ", ".join([EVERYTHING, *PRESETS])
        raise BadInput(f"mix {name[:100]!r} is unknown; expected {known}, or a file that ends in .yaml")
    return mix_of(_load(path), str(path))


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise BadInput(f"{path} is longer than {_MAX_BYTES} bytes; expected a few lines that name a mix")
    try:
        _refuse_tangled(path, data)
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from error


def _refuse_tangled(path: Path, data: bytes) -> None:
    """A short file can be made that takes minutes and gigabytes to load."""
    depth = 0
    for event in yaml.parse(data, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise BadInput(f"{path} uses aliases (*name) or is nested too deeply; expected name and sources")


def mix_message(mix: Mix) -> ingest_pb2.Mix:
    message = ingest_pb2.Mix(name=mix.name, seed=mix.seed)
    for name, share in mix.sources.items():
        values = share.model_dump(exclude_none=True)
        message.sources[name].CopyFrom(ingest_pb2.MixShare(**values))
    return message
