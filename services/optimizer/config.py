"""What the optimizer can be told through VOXLOOM_* variables."""

from pydantic import Field

from services.optimizer.rules import Better, GateRules, Rules, ServeRules
from voxloom.config import Config, Port


class OptimizerConfig(Config):
    optimizer_port: Port = 50054
    # Test clips are decoded in this many threads, one clip each; 0 means one a CPU.
    optimizer_threads: int = Field(default=0, ge=0, le=256)
    # A graph may make so many more errors than float32, as a share of the reference: 0.001 is 0.1 point ...
    optimizer_max_loss: float = Field(default=ServeRules().max_loss, ge=0, le=1)
    # ... and is served only if it is so many times as fast as that.
    optimizer_min_speedup: float = Field(default=ServeRules().min_speedup, ge=0, le=100)
    # A float16 graph as well, for GPUs: measured and put into the bundle, never served here.
    optimizer_fp16: bool = ServeRules().fp16
    # A model with this share of word errors or more is never promoted by itself; above 1 for trials only.
    gate_max_wer: float = Field(default=GateRules().max_error_rate, gt=0, le=1000)
    gate_confidence: float = Field(default=GateRules().confidence, ge=0.5, lt=1)
    gate_better: Better = GateRules().better
    gate_min_words: int = Field(default=GateRules().min_words, ge=1, le=1_000_000)

    @property
    def rules(self) -> Rules:
        return Rules(
            serve=ServeRules(
                max_loss=self.optimizer_max_loss,
                min_speedup=self.optimizer_min_speedup,
                fp16=self.optimizer_fp16,
            ),
            gate=GateRules(
                max_error_rate=self.gate_max_wer,
                confidence=self.gate_confidence,
                better=self.gate_better,
                min_words=self.gate_min_words,
            ),
        )
