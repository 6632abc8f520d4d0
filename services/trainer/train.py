"""The training run, as it happens: load, loop over epochs, keep the best, stop in time.

The random numbers of a step depend on the seed and the step alone, so a run that was interrupted anywhere
and resumed from its checkpoint goes on exactly as if nothing had happened.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from services.trainer.counters import Counters
from services.trainer.data import Batch, Features, TrainingData, feature_statistics
from services.trainer.decode import Score, score
from services.trainer.guard import Guard, RolledBack, is_finite, plateau_advice, utterances_of
from services.trainer.loading import loaded_ahead, whole_batch
from services.trainer.losses import draw_chunk, total_loss
from services.trainer.memory import backward, scan
from services.trainer.metrics import Example, Metrics, MetricsLog
from services.trainer.model import Recogniser
from services.trainer.ranks import ALONE, Ranks
from services.trainer.recipes import Recipe
from services.trainer.replicas import MOST, Loss, Replicas
from services.trainer.schedule import Schedule
from voxloom.errors import VoxloomError
from voxloom.tokenizer import Tokenizer

_EASY_EPOCHS = 20  # of a run without validation clips


@dataclass
class State:
    """All that changes during a run; `checkpoint.py` saves and restores it whole."""

    model: Recogniser
    average: Recogniser  # exponential moving average of the weights: what is evaluated and exported
    optimizer: torch.optim.Optimizer
    at: Counters


@dataclass(frozen=True)
class Task:
    """What a run works with; nothing of it changes."""

    recipe: Recipe
    seed: int
    budget_s: float  # wall clock for training; 0 means to convergence
    train: TrainingData
    val: Features
    tokenizer: Tokenizer
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    threads: int = 1  # parts that a batch is split into, each on a processor of its own
    ranks: Ranks = ALONE  # this process among those that share each batch

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.recipe, self.budget_s)


@dataclass(frozen=True)
class Hooks:
    """How the loop reaches the world."""

    log: MetricsLog
    save: Callable[[State], None]  # a checkpoint
    save_best: Callable[[State, float, float], None]  # with the epoch's WER and CER, if among the best
    should_stop: Callable[[], bool]  # asked after each step
    lap: Callable[[], float]  # seconds since it was last called
    checkpoint_every_s: float = 30.0
    guard: Guard = field(default_factory=Guard)
    must_save: Callable[[Counters], bool] = lambda at: False  # whatever the clock says


class Interrupted(VoxloomError):
    """Training was asked to stop; the checkpoint is saved and the run can go on."""


def new_state(task: Task) -> State:
    """A fresh network: weights from the seed, normalisation from the training data."""
    state = blank_state(task)
    mean_F, deviation_F = feature_statistics(task.train)
    for model in (state.model, state.average):
        model.front.mean_F.copy_(mean_F)
        model.front.deviation_F.copy_(deviation_F)
    return state


def blank_state(task: Task) -> State:
    """The same without normalisation, for which audio would be read: to restore a checkpoint into."""
    torch.manual_seed(task.seed)
    model = Recogniser(task.recipe.model, len(task.tokenizer))
    model.to(task.device)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(parameter_groups(model, task.recipe), lr=0.0, betas=(0.9, 0.98), fused=True)
    return State(model, average, optimizer, Counters())


def parameter_groups(model: Recogniser, recipe: Recipe) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels only, not for biases and norms."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def train(task: Task, state: State, hooks: Hooks) -> State:
    """Runs the state to its end and returns it; Interrupted, with a checkpoint saved, when asked to stop."""
    replicas = Replicas(state.model, task.threads, task.ranks)
    scan(task.train, state, replicas, loss_of(task, None))
    while not task.schedule.has_ended(state.at):
        try:
            train_epoch(task, state, replicas, hooks)
        except RolledBack:
            replicas.follow()
            continue
        scored = score(state.average, task.val, task.tokenizer)
        state.at.trained_s += hooks.lap()
        end_epoch(task, state, scored, hooks)
        state.at = task.ranks.agree_on(state.at)
        hooks.save(state)
    return state


def train_epoch(task: Task, state: State, replicas: Replicas, hooks: Hooks) -> None:
    """The epoch's remaining steps, with a checkpoint now and then."""
    easy = is_easy(task, state)
    plan = task.train.plan(state.at.epoch, easy)
    steps = len(plan.batches)
    saved_at_s = state.at.trained_s
    for batch in loaded_ahead(task.train, plan, state.at, easy, task.ranks):
        loss, gradient_norm = train_step(task, state, replicas, batch, steps, easy)
        heard = utterances_of(task.train, plan.batches[state.at.step_in_epoch])
        whole = partial(whole_batch, batch, task.ranks)
        hooks.guard.look(state, heard, whole, (loss, gradient_norm), hooks.log)
        seconds = hooks.lap()
        state.at.step, state.at.step_in_epoch = state.at.step + 1, state.at.step_in_epoch + 1
        state.at.trained_s += seconds
        hooks.log.step(step_metrics(task, state, steps, loss, gradient_norm, batch.audio_s / seconds))
        if hooks.should_stop():
            hooks.save(state)
            raise Interrupted(
                f"training stopped at step {state.at.step}; it goes on from there at the next start"
            )
        if task.schedule.out_of_time(state.at):
            break
        if hooks.must_save(state.at) or state.at.trained_s - saved_at_s >= hooks.checkpoint_every_s:
            hooks.save(state)
            saved_at_s = state.at.trained_s


def is_easy(task: Task, state: State) -> bool:
    """Whether clips are still heard one by one, unmasked and whole: until the blank plateau is left."""
    if not task.val.clips.clips:
        return state.at.epoch < _EASY_EPOCHS
    return state.at.best_cer > task.recipe.easy_above_cer


def train_step(
    task: Task, state: State, replicas: Replicas, batch: Batch, steps: int, easy: bool
) -> tuple[float, float]:
    """Forward, backward, update; returns loss per token and gradient norm. `steps`: of an epoch."""
    recipe, seed = task.recipe, task.seed * 1_000_003 + state.at.step * MOST
    for group in state.optimizer.param_groups:
        group["lr"] = task.schedule.learning_rate(state.at, steps) * state.at.mishaps.rate_factor
    chunk = None if easy else draw_chunk(recipe, seed)
    loss = backward(replicas, batch, loss_of(task, chunk), seed, state.at.mishaps)
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.gradient_clip).item()
    if is_finite(loss, norm):
        state.optimizer.step()
        update_average(state, recipe.ema_decay)
    else:  # the guard counts it
        replicas.restore_statistics()
    return loss, norm


def loss_of(task: Task, chunk: int | None) -> Loss:
    """The loss of a part of a batch, as a function of model and part."""

    def loss(model: Recogniser, part: Batch) -> Tensor:
        return total_loss(model, part, task.recipe, task.device, chunk)

    return loss


@torch.no_grad()
def update_average(state: State, decay: float) -> None:
    """Moves the average towards the model: parameters, and the batch norms' statistics with them."""
    decay = min(decay, (1 + state.at.step) / (10 + state.at.step))
    averaged, current = ([*each.parameters(), *each.buffers()] for each in (state.average, state.model))
    floating = [index for index, tensor in enumerate(current) if tensor.is_floating_point()]
    torch._foreach_lerp_([averaged[i] for i in floating], [current[i] for i in floating], 1 - decay)


def end_epoch(task: Task, state: State, scored: Score, hooks: Hooks) -> None:
    """Counts, keeps the best weights, fits the plan to the time that is left, tells the user."""
    state.at.epoch, state.at.step_in_epoch = state.at.epoch + 1, 0
    wer, cer = (scored.wer, scored.cer) if scored.utterances else (1.0, 1.0)
    if not scored.utterances or (wer, cer) <= (state.at.best_wer, state.at.best_cer):
        state.at.best_wer, state.at.best_cer, state.at.best_epoch = wer, cer, state.at.epoch
    hooks.save_best(state, wer, cer)
    silent = bool(scored.utterances) and scored.says_nothing
    state.at.silent_epochs = state.at.silent_epochs + 1 if silent else 0
    message = ""
    if task.budget_s and state.at.epoch == 1:
        state.at.one_view = not task.schedule.has_time_for_two_views(state.at)
        fitting = f"about {task.schedule.planned_epochs(state.at)} epochs"
        views = ", of one view each" if state.at.one_view else ""
        message = f"{fitting} fit into {task.budget_s / 60:.1f} minutes{views}"
    message = plateau_advice(state.at) or message
    if cooling := task.schedule.cooling(state.at):
        state.at.cooling = cooling
        message = (
            f"no better validation WER for {task.recipe.patience_epochs} epochs:"
            f" the learning rate falls over the last {cooling.epochs}"
        )
    hooks.log.epoch(epoch_metrics(task, state, scored, message))


def step_metrics(
    task: Task, state: State, steps_in_epoch: int, loss: float, gradient_norm: float, audio_s_per_s: float
) -> Metrics:
    """The line of one step."""
    epochs = task.schedule.planned_epochs(state.at, steps_in_epoch)
    return Metrics(
        step=state.at.step,
        epoch=state.at.epoch,
        epochs=epochs,
        steps_total=max(state.at.step, steps_in_epoch * epochs),
        loss=loss,
        learning_rate=float(state.optimizer.param_groups[0]["lr"]),
        gradient_norm=gradient_norm,
        audio_s_per_s=audio_s_per_s,
        eta_s=task.schedule.eta_s(state.at, steps_in_epoch),
        trained_s=state.at.trained_s,
    )


def epoch_metrics(task: Task, state: State, scored: Score, message: str) -> Metrics:
    """The line of an epoch: validation errors, also by source, and the examples that are followed."""
    examples = scored.examples
    shown = examples[state.at.epoch % len(examples)] if examples else Example(reference="", hypothesis="")
    return Metrics(
        step=state.at.step,
        epoch=state.at.epoch,
        epochs=task.schedule.planned_epochs(state.at),
        eta_s=task.schedule.eta_s(state.at),
        message=message,
        learning_rate=float(state.optimizer.param_groups[0]["lr"]),
        trained_s=state.at.trained_s,
        val_wer=scored.wer if examples else None,
        val_cer=scored.cer if examples else None,
        val_by_source=scored.by_source,
        examples=examples,
        example_reference=shown.reference,
        example_hypothesis=shown.hypothesis,
    )
