"""Who records, and what they agreed to: the document that the recorder writes and ingest deletes."""

from voxloom.record import Record


class SpeakerRecord(Record):
    """speakers/<speaker>.json, of those who were registered."""

    speaker: str
    name: str
    language: str  # BCP 47
    licence: str  # SPDX id or words
    consent: str  # what they agreed to, word by word
    consented_at: str  # ISO 8601, UTC
    consent_version: str = ""  # of the organisation's text, as en/2; "" where it was another one
    token_sha256: str = ""  # of the secret of their own browser; "" while they have none
