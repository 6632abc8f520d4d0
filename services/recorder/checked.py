"""A take that was looked at, and one that was stored."""

from collections.abc import Collection
from dataclasses import dataclass

from services.recorder.checks import Check, Finding, Heard, Refused
from services.recorder.hearing import Hearing
from voxloom.audio import Audio, Limits
from voxloom.errors import BadInput
from voxloom.manifest import RawUtterance


@dataclass(frozen=True)
class StoredTake:
    record: RawUtterance
    record_key: str
    already_stored: bool
    findings: list[Finding]  # what is not good about it
    hearing: Hearing | None = None


@dataclass(frozen=True)
class Checked:
    """A take that can be stored."""

    clip: Audio
    heard: Heard
    findings: list[Finding]
    limits: Limits
    hearing: Hearing | None = None

    @property
    def faults(self) -> list[str]:
        """Names of checks that failed."""
        return [finding.check for finding in self.findings if not finding.is_hint]

    def refuse_text(self, accepted: Collection[str]) -> None:
        """BadInput when nobody can say so much in that time, unless that was `accepted` before."""
        for finding in self.findings:
            if finding.check is Check.TOO_FAST and finding.check not in accepted:
                raise BadInput(finding.message)

    def refuse_faults(self, refused: Refused = Refused.ALL) -> None:
        """BadInput with every reason, if there is one to refuse the take."""
        faults = [finding for finding in self.findings if not finding.is_hint]
        spoiling = [finding for finding in faults if self._spoils(finding)]
        reasons = {Refused.ALL: faults, Refused.SPOILING: spoiling, Refused.NONE: []}[refused]
        if reasons:
            raise BadInput("; ".join(finding.message for finding in faults))

    def _spoils(self, fault: Finding) -> bool:
        clipped = self.heard.levels.clipped_fraction > self.limits.max_clipped
        return fault.check is Check.TOO_FAST or (fault.check is Check.CLIPPED and clipped)
