"""The model bundle: an export from the trainer, a measured bundle from the optimizer, the production pointer."""

from pydantic import Field

from voxloom.manifest import Record


class FileHash(Record):
    sha256: str
    size: int  # bytes


class Export(Record):
    """runs/<run>/export/export.json, written last by the trainer; the optimizer reads it."""

    run: str
    model: str  # the id the bundle will have
    dataset: str
    files: dict[str, FileHash]  # model.onnx, tokens.txt
    languages: list[str]
    normalizer_version: int
    feature_version: int
    subsampling: int  # input frames per output frame
    parameters: int
    recipe: str
    val_wer: float
    created_at: str
    trace: str = ""


class Bundle(Record):
    """models/<model>/bundle.json, written after the files it names; all hashes in it are checked on load."""

    model: str
    run: str
    dataset: str
    created_at: str
    files: dict[str, FileHash]
    served_file: str  # the graph that was measured and is served: model.onnx or model.int8.onnx
    languages: list[str]
    normalizer_version: int
    feature_version: int
    subsampling: int
    parameters: int
    recipe: str
    trace: str = ""


class PointerEntry(Record):
    model: str
    at: str  # ISO 8601, UTC
    why: str


class ProductionPointer(Record):
    """models/production.json, moved by compare-and-swap only. `history` ends with the model in production."""

    model: str
    history: list[PointerEntry] = Field(default_factory=list)
