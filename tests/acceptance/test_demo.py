"""The main job, as a user runs it."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from supaqueue.cli.demo.files import input_files
from supaqueue.cli.demo.handlers import measure_sound, measure_text
from supaqueue.errors import InvalidInput


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supaqueue", "demo", *arguments], capture_output=True, text=True, timeout=240
    )


def write_sine(path: Path, hertz: float, seconds: float, rate: int = 8000, amplitude: float = 0.5) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        samples = (amplitude * math.sin(2 * math.pi * hertz * n / rate) for n in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", round(sample * 32767)) for sample in samples))


def test_standard_library_with_a_worker_killed() -> None:
    done = run_demo("--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert list(summary) == [
        "jobs", "completed", "failed", "lost", "wrong", "finished_twice", "rescued", "seconds",
    ]  # fmt: skip
    assert summary["jobs"] == summary["completed"] == len(input_files(None))
    assert summary["rescued"] >= 1
    assert not any(summary[name] for name in ("failed", "lost", "wrong", "finished_twice"))


def test_folder_of_texts_and_sounds(tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"{number}.txt").write_text(f"line {number}\n" * (2000 + number))
        write_sine(tmp_path / f"{number}.wav", 100 + number, 2.0)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    done = run_demo("--input", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "everything holds" in done.stdout
    assert "300" in done.stdout


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1000.0])
def test_sound_is_measured(tmp_path: Path, hertz: float) -> None:
    write_sine(tmp_path / "a.wav", hertz, 1.0)
    measured = measure_sound(tmp_path / "a.wav")
    assert measured["seconds"] == 1.0
    assert measured["peak"] == pytest.approx(0.5, abs=0.001)
    assert measured["rms"] == pytest.approx(0.5 / math.sqrt(2), abs=0.001)
    assert measured["dominant_hz"] == pytest.approx(hertz, abs=1.0)


def test_silence_and_an_empty_sound_have_no_frequency(tmp_path: Path) -> None:
    write_sine(tmp_path / "silent.wav", 440, 0.5, amplitude=0.0)
    write_sine(tmp_path / "empty.wav", 440, 0.0)
    assert measure_sound(tmp_path / "silent.wav")["dominant_hz"] is None
    assert measure_sound(tmp_path / "empty.wav")["seconds"] == 0.0


def test_text_is_measured() -> None:
    assert measure_text(b"a b a\nc1 \xff a") == {
        "kind": "text",
        "lines": 2,
        "words": 6,
        "identifiers": [["a", 3], ["b", 1], ["c1", 1]],
    }


def test_a_folder_without_readable_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no text and no"):
        input_files(tmp_path)
    done = run_demo("--input", str(tmp_path / "missing"))
    assert done.returncode == 1
    assert "there is no folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF but no sound")
    (tmp_path / "good.txt").write_text("one line\n")
    done = run_demo("--input", str(tmp_path), "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["completed"], summary["failed"], summary["lost"]) == (1, 1, 0)
    assert "broken.wav: failed" in done.stderr
