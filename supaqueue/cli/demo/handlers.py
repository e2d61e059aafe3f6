"""What the demo's workers do: measure a text or a sound file."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from supaqueue.outcome import Fail
from supaqueue.worker import Registry

IDENTIFIER = re.compile(r"[^\W\d]\w*")

LINGER_AFTER = "SUPAQUEUE_DEMO_LINGER_AFTER"
"""Set for the worker that will be killed: after so many files each takes a second longer, so that it is
caught inside handlers however few files there are."""

registry = Registry()
_measured = itertools.count()


class File(BaseModel):
    """The payload: which file to measure."""

    path: Path


@registry.task("measure_file")
def measure_file(file: File) -> dict[str, Any] | Fail:
    """Measures one file; the result depends on its bytes alone. A sound that cannot be read fails at once."""
    if LINGER_AFTER in os.environ and next(_measured) >= int(os.environ[LINGER_AFTER]):
        time.sleep(1.0)
    content = file.path.read_bytes()
    try:
        measured = measure_sound(file.path) if file.path.suffix.lower() == ".wav" else measure_text(content)
    except UnreadableSound as error:
        return Fail(str(error))
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **measured}


def measure_text(content: bytes) -> dict[str, Any]:
    """Counts lines and words, and names the five most frequent identifiers (ties in alphabetical order)."""
    text = content.decode("utf-8", errors="replace")
    counted = Counter(IDENTIFIER.findall(text))
    frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:5]
    return {
        "kind": "text",
        "lines": len(text.splitlines()),
        "words": len(text.split()),
        "identifiers": [[name, count] for name, count in frequent],
    }


class UnreadableSound(ValueError):
    """The file has the name of a sound and is none."""


def measure_sound(path: Path) -> dict[str, Any]:
    """Duration in seconds, peak and RMS of all channels mixed (full scale is 1.0), dominant frequency in Hz.

    The frequency is that of the largest bin of the Hann-windowed spectrum of the first 2^20 samples.

    Raises:
        UnreadableSound: it is no sound file.
    """
    import numpy
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UnreadableSound(f"not a sound file that can be read: {error.error_string}") from error
    mixed = samples.mean(axis=1)
    measured: dict[str, Any] = {
        "kind": "sound",
        "seconds": round(len(mixed) / rate, 6),
        "peak": round(float(numpy.abs(mixed).max(initial=0.0)), 6),
        "rms": round(float(numpy.sqrt(numpy.mean(mixed**2))), 6) if len(mixed) else 0.0,
        "dominant_hz": None,
    }
    window = mixed[: 2**20]
    if len(window) >= 2 and numpy.any(window):
        spectrum = numpy.abs(numpy.fft.rfft(window * numpy.hanning(len(window))))
        spectrum[0] = 0.0
        measured["dominant_hz"] = round(float(spectrum.argmax()) * rate / len(window), 3)
    return measured
