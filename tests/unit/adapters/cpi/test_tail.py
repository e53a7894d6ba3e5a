"""A log is handed on in whole lines, as it grows, without secrets even where it is cut."""

import os

from director.adapters.cpi import tail
from director.adapters.cpi.redact import Mask
from director.adapters.cpi.tail import Tail


def log(tmp_path):
    return os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def test_lines_come_when_they_are_whole(tmp_path):
    said, file = [], log(tmp_path)
    reader = Tail(tmp_path / "log", Mask(), said.append)
    os.write(file, b"one\ntw")
    reader.more()
    assert said == ["one"]
    os.write(file, b"o\nthree")
    reader.more()
    assert said == ["one", "two"]
    reader.end()
    assert said == ["one", "two", "three"]
    assert reader.last == said
    os.close(file)


def test_a_secret_is_masked_also_when_it_came_in_two_pieces(tmp_path):
    said, file = [], log(tmp_path)
    reader = Tail(tmp_path / "log", Mask(["hunter2hunter2"]), said.append)
    os.write(file, b"pw hunter2")
    reader.more()
    os.write(file, b"hunter2 end\n")
    reader.more()
    assert said == ["pw <redacted> end"]
    os.close(file)


def test_a_line_without_end_is_cut_and_what_could_be_half_a_secret_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(tail, "LINE_MAX", 32)
    said, file = [], log(tmp_path)
    reader = Tail(tmp_path / "log", Mask(["hunter2hunter2"]), said.append)
    os.write(file, b"x" * 25 + b"hunter2hunter2" + b"y" * 100)
    reader.more()
    os.write(file, b"hunter2hunter2\nnext\n")
    reader.more()
    assert said == ["x" * 18 + " ... (cut)", "next"]
    os.close(file)


def test_a_chatty_log_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tail, "KEPT_MAX", 100)
    said, file = [], log(tmp_path)
    reader = Tail(tmp_path / "log", Mask(), said.append)
    for _ in range(30):
        os.write(file, b"0123456789\n")
        reader.more()
    assert len(said) == 30
    assert (tmp_path / "log").stat().st_size < 120
    os.close(file)


def test_a_log_that_was_never_made_has_no_lines(tmp_path):
    reader = Tail(tmp_path / "log", Mask(), lambda _: None)
    reader.end()
    assert reader.last == []
