"""What this folder adds to the harness: experiment trackers that receive finished runs."""

from bench.extension import Extension

_SENDING = "bench.extensions.trackers.sending:after_run"
EXTENSION = Extension(
    commands="bench.extensions.trackers.commands:COMMANDS",
    after_run={"mlflow[:URI]": _SENDING, "wandb[:PROJECT]": _SENDING, "trackio[:PROJECT]": _SENDING},
)
