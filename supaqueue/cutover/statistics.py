"""Scipy, imported when a figure is first asked of it: that takes a second, and most commands never ask."""

from __future__ import annotations

import importlib
from typing import Any


class _Deferred:
    """Stands for a module until one of its names is used."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module), name)


stats: Any = _Deferred("scipy.stats")
optimize: Any = _Deferred("scipy.optimize")
special: Any = _Deferred("scipy.special")
