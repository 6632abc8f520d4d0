"""Where a run stands, what went wrong in it and what it keeps: saved with each checkpoint."""

from pydantic import BaseModel, Field

RATE_AFTER_ROLLBACK = 0.5


class Mishaps(BaseModel):
    """A rollback does not take these back."""

    skipped_steps: int = 0  # whose loss or gradient was not finite
    skipped_in_row: int = 0
    rollbacks: int = 0
    parts: int = 1  # that each batch is taken in, one after the other: doubled when memory runs out
    anchor: str = ""  # the checkpoint that a rollback goes to; empty: the fresh network

    @property
    def rate_factor(self) -> float:
        """What the learning rate is multiplied with: each rollback halves it."""
        return RATE_AFTER_ROLLBACK**self.rollbacks


class Best(BaseModel):
    """Averaged weights of one of the epochs with the lowest validation WER, under checkpoints/."""

    name: str
    wer: float
    cer: float
    epoch: int

    @property
    def rank(self) -> tuple[float, float, int]:
        """Lowest first; of equals the later epoch."""
        return self.wer, self.cer, -self.epoch


class Cooling(BaseModel):
    """The last epochs of a run that no longer got better, over which the learning rate falls."""

    epoch: int  # with which it began
    epochs: int
    share_done: float  # of the run, when it began


class Counters(BaseModel):
    """Where a run stands."""

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    trained_s: float = 0.0  # wall clock, over all sittings
    best_wer: float = 1e9  # JSON has no infinity
    best_cer: float = 1e9
    best_epoch: int = -1
    silent_epochs: int = 0
    cooling: Cooling | None = None
    one_view: bool = False  # of each batch: the time does not allow for two
    best: list[Best] = Field(default_factory=list)  # the best first
    mishaps: Mishaps = Field(default_factory=Mishaps)
