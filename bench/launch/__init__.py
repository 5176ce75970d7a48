"""Ways of running many specs: in this process, in local worker processes, and whatever else speaks the protocol."""

from __future__ import annotations
