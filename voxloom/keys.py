"""Every object key in the store is made here, so that none can escape its folder."""

import hashlib
import re
import unicodedata

from voxloom.errors import BadInput

PRODUCTION = "models/production.json"
RAW = "raw/"
IMPORT_REPORTS = "imports/"
FORGOTTEN = "forgotten/"
FORGOTTEN_CHANGED = f"{FORGOTTEN}changed.json"  # when tombstones were last written or lifted
TEXTS = "texts/"  # a sentence a line, put there by whoever wants language models to know them
PROMPTS = "prompts/"  # lists of sentences to be read aloud
PROGRESS = "progress/"  # what each speaker skipped and flagged
SPEAKERS = "speakers/"  # who records, and what they agreed to
CONSENTS = "consents/"  # texts of the organisation that speakers are asked to agree to
REVIEWS = "reviews/"  # what people think of each speaker's takes
# Small documents that change in place: their size tells nothing.
REWRITTEN = (PROMPTS, PROGRESS, SPEAKERS, CONSENTS, REVIEWS)
# Of every object.
FOLDERS = (
    *(FORGOTTEN, RAW, "uploads/", IMPORT_REPORTS, TEXTS, PROMPTS, PROGRESS, SPEAKERS, CONSENTS, REVIEWS),
    *("manifests/", "runs/", "models/", "jobs/"),
)
SOURCES = ("user_recorded", "commonvoice", "tts_generated", "imported")

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_KEY = re.compile(rf"{_SEGMENT.pattern}(?:/{_SEGMENT.pattern})*")
_MAX_KEY_LENGTH = 900  # S3 allows 1,024 bytes


def check_key(key: str) -> str:
    """Returns the key; BadInput unless its segments are of letters, digits, `._-` and led by no dot."""
    if len(key) > _MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise BadInput(
            f"object key {key[:200]!r} is not allowed; expected segments of letters, digits, '.', '_', '-'"
        )
    return key


def check_id(value: str, what: str = "id") -> str:
    """Returns an id that came from outside, or raises BadInput when it is not one safe key segment."""
    if not _SEGMENT.fullmatch(value):
        raise BadInput(f"{what} {value[:200]!r} is not allowed; expected letters, digits, '.', '_', '-'")
    return value


def slug(name: str) -> str:
    """A safe key segment for any name in any script; different names give different slugs."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")[:40]
    if readable == name:
        return readable
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{readable or 'x'}-{digest}"


def raw_record(source: str, speaker: str, utterance: str) -> str:
    """raw/<source>/<speaker>/<utterance>.json: who, what, when, how checked. Written after the audio."""
    if source not in SOURCES:
        raise BadInput(f"source {source!r} is unknown; expected one of {', '.join(SOURCES)}")
    return check_key(f"raw/{source}/{speaker}/{utterance}.json")


def raw_audio(source: str, speaker: str, utterance: str) -> str:
    """raw/<source>/<speaker>/<utterance>.wav: 16 kHz mono 16-bit."""
    return raw_record(source, speaker, utterance).removesuffix(".json") + ".wav"


def upload(job: str) -> str:
    """uploads/<job>.tar: a corpus as it was sent, until its import is done."""
    return check_key(f"uploads/{job}.tar")


def import_report(job: str) -> str:
    """imports/<job>.jsonl: every refusal of one import, in the order of the archive."""
    return check_key(f"{IMPORT_REPORTS}{job}.jsonl")


def import_plan(job: str) -> str:
    """imports/<job>/plan.json: how an import is split into chunks, written when all of them are listed."""
    return check_key(f"{IMPORT_REPORTS}{job}/plan.json")


def import_chunk(job: str, index: int) -> str:
    """imports/<job>/chunk-00000.jsonl: where in the archive the clips of a chunk lie, and what they are."""
    return check_key(f"{IMPORT_REPORTS}{job}/chunk-{index:05d}.jsonl")


def import_outcome(job: str, index: int) -> str:
    """imports/<job>/outcome-00000.jsonl: the refusals of a chunk, until all are done."""
    return check_key(f"{IMPORT_REPORTS}{job}/outcome-{index:05d}.jsonl")


def text(name: str) -> str:
    """texts/<name>.txt: a sentence a line."""
    return check_key(f"{TEXTS}{name}.txt")


def text_record(name: str) -> str:
    """texts/<name>.json: what was found in it when it was added."""
    return check_key(f"{TEXTS}{name}.json")


def prompt_list(name: str) -> str:
    """prompts/<name>.json: sentences to be read aloud, with their ids."""
    return check_key(f"{PROMPTS}{name}.json")


def progress(speaker: str, prompt_list: str) -> str:
    """progress/<speaker>/<list>.json: prompts of a list that a speaker skipped or flagged, and why."""
    return check_key(f"{PROGRESS}{speaker}/{prompt_list}.json")


def speaker(speaker_id: str) -> str:
    """speakers/<speaker>.json: name, licence, and what they agreed to."""
    return check_key(f"{SPEAKERS}{speaker_id}.json")


def consents(language: str) -> str:
    """consents/<language>.json: every version of the text in a language."""
    return check_key(f"{CONSENTS}{language}.json")


def reviews(speaker_id: str) -> str:
    """reviews/<speaker>.json: takes that were accepted or rejected, and those that were chosen."""
    return check_key(f"{REVIEWS}{speaker_id}.json")


def manifest(dataset: str, split: str) -> str:
    """manifests/<dataset>/<split>.csv"""
    return check_key(f"manifests/{dataset}/{split}.csv")


def dataset_record(dataset: str) -> str:
    """manifests/<dataset>/dataset.json, written last: a dataset without it does not exist."""
    return check_key(f"manifests/{dataset}/dataset.json")


def lineage(dataset: str) -> str:
    """manifests/<dataset>/lineage.jsonl: where each clip comes from, and why it is in its split."""
    return check_key(f"manifests/{dataset}/lineage.jsonl")


def dataset_report(dataset: str) -> str:
    """manifests/<dataset>/report.json: counts, histograms and what was left out."""
    return check_key(f"manifests/{dataset}/report.json")


def shard(dataset: str, split: str, index: int) -> str:
    """manifests/<dataset>/shards/<split>-00000.tar: FLAC and JSON pairs."""
    return check_key(f"manifests/{dataset}/shards/{split}-{index:05d}.tar")


def tombstone(kind: str, digest: str) -> str:
    """forgotten/<utterance or speaker>/<hash>.json: what was withdrawn and must not come back."""
    return check_key(f"{FORGOTTEN}{kind}/{digest}.json")


def withdrawn(folder: str) -> str:
    """withdrawn.json in the folder of a dataset, run or model: some of what it was made of was withdrawn."""
    return check_key(f"{folder}/withdrawn.json")


def run_record(run: str) -> str:
    """runs/<run>/run.json: configuration, seed, versions, lineage."""
    return check_key(f"runs/{run}/run.json")


def run_tokens(run: str) -> str:
    """runs/<run>/tokens.txt: the pieces of words that it learned, kept for when it goes on."""
    return check_key(f"runs/{run}/tokens.txt")


def run_metrics(run: str) -> str:
    """runs/<run>/metrics.jsonl"""
    return check_key(f"runs/{run}/metrics.jsonl")


def run_utterances(run: str) -> str:
    """runs/<run>/report/utterances.jsonl: what its weights make of val and test, line by line."""
    return check_key(f"runs/{run}/report/utterances.jsonl")


def run_summary(run: str) -> str:
    """runs/<run>/report/summary.json, counted from those lines."""
    return check_key(f"runs/{run}/report/summary.json")


def run_suspects(run: str) -> str:
    """runs/<run>/report/suspects.json: transcripts that its weights doubt."""
    return check_key(f"runs/{run}/report/suspects.json")


def run_tensorboard(run: str, part: int) -> str:
    """runs/<run>/tensorboard/events.out.tfevents.<part>.voxloom: TensorBoard reads the parts in order."""
    return check_key(f"runs/{run}/tensorboard/events.out.tfevents.{part:010d}.voxloom")


def checkpoint(run: str, name: str) -> str:
    """runs/<run>/checkpoints/<name>"""
    return check_key(f"runs/{run}/checkpoints/{name}")


def faults(run: str) -> str:
    """runs/<run>/faults/: batches whose loss was not finite, as JSON and as safetensors."""
    return check_key(f"runs/{run}/faults") + "/"


def fault(run: str, name: str) -> str:
    """runs/<run>/faults/<name>"""
    return check_key(f"{faults(run)}{name}")


def export_file(run: str, name: str) -> str:
    """runs/<run>/export/<name>: what the trainer hands to the optimizer; export.json is written last."""
    return check_key(f"runs/{run}/export/{name}")


def model_file(model: str, name: str) -> str:
    """models/<model>/<name>; bundle.json is written after all that it names."""
    return check_key(f"models/{model}/{name}")


def job(kind: str, job_id: str) -> str:
    """jobs/<kind>/<job>.json"""
    return check_key(f"jobs/{kind}/{job_id}.json")
