"""Settings of the trainer."""

from pydantic import Field

from voxloom.config import Config, Port


class TrainerConfig(Config):
    trainer_port: Port = 50053
    train_auto: bool = True  # train each new dataset by itself
    train_recipe: str = ""  # empty: chosen from the hours of data
    train_seed: int = Field(default=1, ge=0, le=2**31 - 1)
    train_budget_minutes: float = Field(default=0.0, ge=0, le=60 * 24 * 60)  # wall clock; 0: to convergence
    train_threads: int = Field(default=0, ge=0, le=1024)  # 0: as many as this process may use
    train_noise: str = ""  # a folder of recorded noises that clips are heard under; empty: computed ones only
    # Disk that a process takes for training audio; more is streamed. 0: 4/5 of what is free in TMPDIR
    train_cache_gb: float = Field(default=0.0, ge=0, le=1e6)
    train_checkpoint_s: float = Field(default=30.0, ge=0, le=3600)
    train_give_up_s: float = Field(default=3600.0, ge=0, le=7 * 24 * 3600)  # without one checkpoint written
    train_tensorboard: bool = True  # event files beside the curve, in runs/<run>/tensorboard/
