"""When a run ends, and how fast it learns until then. No torch here.

The learning rate rises in a short warm-up and falls in a cosine (Loshchilov and Hutter, arXiv 1608.03983)
down to 1 % at the run's end: of its epochs or of its wall-clock budget, or of the cool-down with which a run
that no longer gets better is brought to an end.
"""

import math
from dataclasses import dataclass

from services.trainer.counters import Cooling, Counters
from services.trainer.recipes import Recipe

_FLOOR = 0.01  # of the recipe's learning rate, at the end
_TWO_VIEWS = 1.3  # epochs of one view, as a share of the recipe's, from which two are worth their time
_COOLING, _COOLING_EPOCHS = 0.2, 5  # a cool-down takes this share of the epochs so far, or so many


@dataclass(frozen=True)
class Schedule:
    """Everything follows from where the run stands. `steps`: of an epoch."""

    recipe: Recipe
    budget_s: float  # wall clock for training; 0 means to convergence

    def learning_rate(self, at: Counters, steps: int) -> float:
        cosine = _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * self.share_done(at, steps)))
        return self.recipe.learning_rate * min(1.0, (at.step + 1) / self.recipe.warmup_steps) * cosine

    def share_done(self, at: Counters, steps: int = 1) -> float:
        """How much of the run is done, 0 to 1: of its epochs, or of its wall-clock budget if that is more.

        Following the clock, a run under a budget is annealed in time on a fast machine and on a slow one.
        """
        epochs = at.epoch + at.step_in_epoch / steps
        of_epochs = epochs / self.recipe.epochs
        if at.cooling:
            cooled = (epochs - at.cooling.epoch) / at.cooling.epochs
            of_epochs = max(of_epochs, at.cooling.share_done + (1 - at.cooling.share_done) * cooled)
        of_budget = at.trained_s / self.budget_s if self.budget_s else 0.0
        return min(max(of_epochs, of_budget), 1.0)

    def has_ended(self, at: Counters) -> bool:
        """Asked between epochs, and by a run that resumes within one."""
        cooled_down = at.cooling is not None and at.epoch >= at.cooling.epoch + at.cooling.epochs
        return cooled_down or at.epoch >= self.recipe.epochs or self.out_of_time(at)

    def out_of_time(self, at: Counters) -> bool:
        return 0 < self.budget_s <= at.trained_s

    def cooling(self, at: Counters) -> Cooling | None:
        """The cool-down that begins here, when there was no better epoch for the recipe's patience: at a high
        learning rate that is no reason to stop, most of what a run gains it gains as the rate falls.

        Patience counts only while the best epoch lies in the past and the blank plateau is left.
        """
        if at.cooling or at.best_epoch < 0 or at.epoch - at.best_epoch < self.recipe.patience_epochs:
            return None
        epochs = max(_COOLING_EPOCHS, round(_COOLING * at.epoch))
        return Cooling(epoch=at.epoch, epochs=epochs, share_done=self.share_done(at))

    def has_time_for_two_views(self, at: Counters) -> bool:
        """Two views of each batch (CR-CTC) take twice the time. A short budget is better spent on more epochs
        of one: on AN4 one view wins with 110 epochs against 60 of two, and two with 120 against 190 of one.
        """
        fitting = at.epoch * self.budget_s / max(at.trained_s, 1e-9)
        return not self.budget_s or fitting >= _TWO_VIEWS * self.recipe.epochs

    def planned_epochs(self, at: Counters, steps: int = 1) -> int:
        """How many epochs the run will have at its present pace."""
        if at.cooling:
            return at.cooling.epoch + at.cooling.epochs
        epochs_done = at.epoch + at.step_in_epoch / steps
        done = max(self.share_done(at, steps), 1e-9)
        return max(math.ceil(epochs_done), round(epochs_done / done))

    def eta_s(self, at: Counters, steps: int = 1) -> float:
        """Seconds to the end, if the pace so far holds."""
        if at.cooling:
            epochs = at.epoch + at.step_in_epoch / steps
            return at.trained_s * max(0.0, self.planned_epochs(at) / max(epochs, 1e-9) - 1)
        done = self.share_done(at, steps)
        return at.trained_s * (1 - done) / max(done, 1e-9)
