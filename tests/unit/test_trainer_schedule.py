"""The plan of a run: budget, learning rate, patience and cool-down."""

import pytest

from services.trainer.counters import Cooling, Counters
from services.trainer.recipes import RECIPES
from services.trainer.schedule import Schedule

RECIPE = RECIPES["tiny"]
STEPS = 50  # of an epoch


def to_convergence() -> Schedule:
    return Schedule(RECIPE, 0.0)


def within(budget_s: float) -> Schedule:
    return Schedule(RECIPE, budget_s)


def test_a_budget_ends_the_run_by_the_clock_on_any_machine():
    schedule = within(200.0)
    slow, fast = Counters(epoch=1, trained_s=50.0), Counters(epoch=20, trained_s=50.0)
    assert schedule.share_done(slow) == schedule.share_done(fast) == 0.25
    assert (schedule.planned_epochs(slow), schedule.planned_epochs(fast)) == (4, 80)
    assert schedule.eta_s(slow) == schedule.eta_s(fast) == 150.0
    assert not schedule.has_ended(slow)
    assert schedule.has_ended(Counters(epoch=1, trained_s=200.0))


def test_a_budget_never_adds_epochs_to_the_recipe():
    at = Counters(epoch=RECIPE.epochs, trained_s=1.0)
    assert within(200.0).share_done(at) == 1.0
    assert within(200.0).planned_epochs(at) == RECIPE.epochs
    assert within(200.0).has_ended(at)


def test_without_budget_the_recipe_decides():
    at = Counters(epoch=RECIPE.epochs // 4, trained_s=4e9)
    assert to_convergence().share_done(at) == 0.25
    assert not to_convergence().has_ended(at)


@pytest.mark.parametrize("budget_s", [0.0, 1000.0])
def test_learning_rate_warms_up_and_falls(budget_s):
    epochs = RECIPE.epochs
    run = [Counters(epoch=n, step=n * STEPS, trained_s=n * 1000 / epochs) for n in range(epochs + 1)]
    rates = [within(budget_s).learning_rate(at, STEPS) for at in run]
    assert max(rates) <= RECIPE.learning_rate
    assert rates[0] < rates[3] < rates[6]
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.01 * RECIPE.learning_rate)


def test_patience_counts_from_the_best_epoch_once_the_plateau_is_left():
    late = 10 + RECIPE.patience_epochs
    assert to_convergence().cooling(Counters(epoch=late, best_epoch=-1)) is None
    assert to_convergence().cooling(Counters(epoch=late - 1, best_epoch=10)) is None
    assert to_convergence().cooling(Counters(epoch=late, best_epoch=10)) == Cooling(
        epoch=late, epochs=12, share_done=late / RECIPE.epochs
    )


@pytest.mark.parametrize("budget_s", [0.0, 1e6])
def test_a_run_without_gain_is_cooled_down_and_ends(budget_s):
    schedule, at = within(budget_s), Counters(epoch=80, step=80 * STEPS, best_epoch=20, trained_s=800.0)
    rates = [schedule.learning_rate(at, STEPS)]
    at.cooling = schedule.cooling(at)
    assert at.cooling
    assert schedule.planned_epochs(at) == 96
    assert schedule.eta_s(at) == pytest.approx(160.0)
    while not schedule.has_ended(at):
        rates.append(schedule.learning_rate(at, STEPS))
        at.step_in_epoch += 1
        if at.step_in_epoch == STEPS:
            at.epoch, at.step_in_epoch = at.epoch + 1, 0
    assert at.epoch == 96
    assert rates[1] == pytest.approx(rates[0])
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.01 * RECIPE.learning_rate, rel=0.05)


def test_a_run_cools_down_once_and_not_beyond_its_epochs():
    at = Counters(epoch=RECIPE.epochs - 3, best_epoch=2)
    at.cooling = to_convergence().cooling(at)
    assert to_convergence().cooling(at) is None
    assert to_convergence().has_ended(at.model_copy(update={"epoch": RECIPE.epochs}))


def test_a_budget_too_short_for_two_views_is_spent_on_one():
    epoch_s, enough = 10.0, 1.3 * RECIPE.epochs
    first = Counters(epoch=1, trained_s=epoch_s)
    assert within((enough + 1) * epoch_s).has_time_for_two_views(first)
    assert not within((enough - 1) * epoch_s).has_time_for_two_views(first)
    assert to_convergence().has_time_for_two_views(first)
