"""RSI-CB128: 45 kinds of scenes on 128x128 satellite and aerial images, more than 36,000 in all."""

from datasets_registry._readers.register_families import register_rsi_cb

register_rsi_cb(128, kinds=45, folder_names={"sea or lake": "sea"})
