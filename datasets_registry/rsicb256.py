"""RSI-CB256: 35 kinds of scenes on 256x256 satellite and aerial images, more than 24,000 in all."""

from datasets_registry._readers.register_families import register_rsi_cb

register_rsi_cb(256, kinds=35)
