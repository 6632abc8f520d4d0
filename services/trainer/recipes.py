"""Training recipes: every number that shapes a run, chosen from the hours of data. No torch here."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from voxloom.errors import BadInput


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the network in `model.py`."""

    width: int = 144  # D, channels of the encoder
    blocks: int = 6
    heads: int = 4
    feed_forward: int = 4  # expansion of the feed-forward layers
    kernel: int = 15  # frames of 40 ms that the depthwise convolution sees
    front_channels: int = 32  # channels of the two subsampling convolutions
    dropout: float = 0.1
    intermediate_block: int = 3  # the extra CTC loss sits after this block; 0 turns it off


@dataclass(frozen=True)
class Recipe:
    """One way to train. Durations are of audio unless the name says otherwise."""

    name: str
    model: ModelConfig = field(default_factory=ModelConfig)
    epochs: int = 100  # at most; a wall-clock budget or early stopping may end a run before
    batch_s: float = 30.0  # seconds of padded audio in a batch
    max_utterance_s: float = 35.0
    learning_rate: float = 2e-3
    warmup_steps: int = 300
    weight_decay: float = 1e-2
    gradient_clip: float = 5.0
    intermediate_weight: float = 0.3  # share of the intermediate CTC loss
    ema_decay: float = 0.998
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    # SpecAugment begins once validation CER is this low: from the first step on it keeps small data on CTC's
    # blank plateau, and how long that lasts depends on the data.
    mask_below_cer: float = 0.35
    frequency_masks: int = 2
    frequency_mask_bins: int = 20
    time_masks: int = 4
    time_mask_frames: int = 25
    time_mask_fraction: float = 0.1  # no mask longer than this share of the batch's length
    noise_probability: float = 0.1
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    patience_epochs: int = 25  # early stop: epochs without a better val WER
    max_lost_fraction: float = 0.1  # refuses a dataset that lost more than this to faults

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def recipe_from_dict(values: dict[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_dict`, for the copy kept in run.json; unknown fields are refused."""
    model = ModelConfig(**values["model"])
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Recipe(**{**values, **lists, "model": model})


RECIPES = {
    recipe.name: recipe
    for recipe in (
        # A few seconds of training: proves the plumbing, recognises nothing.
        Recipe(
            name="smoke",
            model=ModelConfig(width=32, blocks=2, heads=2, intermediate_block=1, front_channels=8),
            epochs=2,
            noise_probability=0.0,
            mask_below_cer=9.0,
            warmup_steps=10,
        ),
        Recipe(name="tiny", model=ModelConfig(width=96, blocks=5, front_channels=24)),
        Recipe(
            name="small",
            model=ModelConfig(width=192, blocks=10, heads=4, intermediate_block=5, front_channels=64),
            epochs=80,
            batch_s=150.0,
            learning_rate=1.5e-3,
            warmup_steps=1000,
            ema_decay=0.999,
        ),
        Recipe(
            name="base",
            model=ModelConfig(width=256, blocks=12, heads=4, intermediate_block=6, front_channels=64),
            epochs=60,
            batch_s=300.0,
            learning_rate=1e-3,
            warmup_steps=3000,
            ema_decay=0.9995,
        ),
    )
}


def choose(train_hours: float) -> tuple[Recipe, str]:
    """The recipe for this much data and, in one sentence, why."""
    for name, limit_h in (("tiny", 5.0), ("small", 50.0)):
        if train_hours < limit_h:
            return RECIPES[name], (
                f"{train_hours:.2f} hours of training data are under {limit_h:g} hours: recipe '{name}'"
            )
    return RECIPES["base"], f"{train_hours:.1f} hours of training data: recipe 'base'"


def named(name: str) -> Recipe:
    """The recipe of that name; BadInput lists those there are."""
    if name not in RECIPES:
        raise BadInput(f"recipe {name!r} is unknown; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def override(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe with some fields changed; BadInput names a field that does not exist."""
    known = {f.name for f in fields(Recipe)}
    if unknown := sorted(set(changes) - known):
        raise BadInput(
            f"recipe fields {', '.join(unknown)} do not exist; there are {', '.join(sorted(known))}"
        )
    return replace(recipe, **changes)
