"""Which clips of a big corpus are wanted; the same wish and the same seed choose the same clips."""

from pydantic import Field

from voxloom.record import Part


class Selection(Part):
    """0 or an empty list means no limit. `max_*` bound what is trained on; the test set has its own bound."""

    max_clips: int = Field(default=0, ge=0)
    max_hours: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    max_test_clips: int = Field(default=0, ge=0)
    min_up_votes: int = Field(default=0, ge=0)
    max_down_votes: int | None = Field(default=None, ge=0)  # None: no limit, for 0 is a limit here
    max_speakers: int = Field(default=0, ge=0)
    max_clips_per_speaker: int = Field(default=0, ge=0)
    genders: list[str] = Field(default_factory=list)
    ages: list[str] = Field(default_factory=list)
    accents: list[str] = Field(default_factory=list)  # parts of the accent's name, case does not matter
    balanced: bool = True  # over speakers: each gives one clip before any gives two
    seed: int = 0
