"""One JSON object, strictly; what is wrong with another is told without showing any of it."""

import pytest

from director.adapters.cpi.reply import Said, read_reply


def test_a_result_and_its_log_are_read():
    reply = read_reply(b' {"result": ["vm-1", {}], "error": null, "log": "two\\nlines"}\n')
    assert (reply.result, reply.error, reply.log) == (["vm-1", {}], None, "two\nlines")


def test_an_error_is_read_with_its_flag():
    data = b'{"result": null, "error": {"type": "T", "message": "m", "ok_to_retry": true}, "log": ""}'
    assert read_reply(data).error == Said(type="T", message="m", ok_to_retry=True)


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "printed nothing"),
        (b" \n", "printed nothing"),
        (b"hunter2 {", "no JSON"),
        (b'{"result": 1, "error": null, "log": ""} hunter2', "no JSON"),
        (b"\xff\xfehunter2", "no text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'["hunter2"]', "no JSON object"),
        (b'{"result": "hunter2"}', "has no error and no log"),
        (b'{"result": 1, "error": null, "log": ["hunter2"]}', "log in its reply is no text"),
        (b'{"result": 1, "error": "hunter2", "log": ""}', "lacks type, message or ok_to_retry"),
        (b'{"result": 1, "error": {"type": "hunter2", "message": "m"}, "log": ""}', "lacks type"),
        (b'{"result": 1, "error": {"type": "T", "message": "m", "ok_to_retry": "no"}, "log": ""}', "lacks type"),
    ],
)
def test_anything_else_is_told_in_words_that_show_none_of_it(data, why):
    with pytest.raises(ValueError, match=why) as wrong:
        read_reply(data)
    assert "hunter2" not in str(wrong.value)
