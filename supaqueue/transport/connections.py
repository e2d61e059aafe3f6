"""How many connections to hold, and for how long."""

from __future__ import annotations

import httpx

# Kept longer than an idle worker pauses between polls, so that it need not connect anew each time.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
