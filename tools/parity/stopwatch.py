"""The time of a training, taken in the same way on both sides: CPU seconds of the process, and seconds.

The official side copies this file beside its runner, so it imports nothing but torch. Each process trains a small
network before it takes a time, so that no side pays for what torch loads with its first steps.
"""

import time

import torch
from torch.optim import optimizer as optimizers


def now():
    """CPU seconds of this process and seconds, each from some point."""
    return time.process_time(), time.perf_counter()


def between(start, end):
    return end[0] - start[0], end[1] - start[1]


class Stopwatch:
    """The time from the start to the end of the last step of any optimiser, without that of pauses."""

    def __init__(self):
        self.begin = self.end = None
        self.away = (0.0, 0.0)
        self.pauses = 0

    def start(self):
        """Begin, once."""
        if self.begin is None:
            optimizers.register_optimizer_step_post_hook(self._after_step)
            self.begin = self.end = now()

    def _after_step(self, *_):
        self.end = between(self.away, now())

    def pausing(self, function):
        """The function, during which the time does not count, such as a test within the training."""

        def paused(*args, **named):
            start, self.pauses = now(), self.pauses + 1
            try:
                return function(*args, **named)
            finally:
                self.pauses -= 1
                if not self.pauses and self.begin is not None:
                    gone = between(start, now())
                    self.away = (self.away[0] + gone[0], self.away[1] + gone[1])

        return paused

    def seconds(self):
        """CPU seconds and seconds of the training; None if none began."""
        return None if self.begin is None else between(self.begin, self.end)


def warm_up():
    """Train a small network for ten steps. Leaves the random numbers as they are."""
    state = torch.get_rng_state()
    network = torch.nn.Sequential(
        torch.nn.TransformerEncoderLayer(64, 2, 128, dropout=0.0, activation="gelu", batch_first=True),
        torch.nn.LayerNorm(64),
        torch.nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    tokens = torch.randn(32, 20, 64)
    for _ in range(10):
        loss = network(tokens).logsumexp(dim=-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_rng_state(state)
