"""What a failed deployment is explained as: the cause and the fix, on one screen."""

from __future__ import annotations

import pytest

from ops.errors import UserError
from ops.failures import explain

pytestmark = pytest.mark.unit

JOB = """\
 +  docker:index:Volume weights **creating failed** error: before hook "fill" failed: job 'chat-fetch' ended with exit \
code 4; its last lines:
@ updating.....
Diagnostics:
  docker:index:Volume (weights):
    error: before hook "fill" failed: job 'chat-fetch' ended with exit code 4; its last lines:
      fetch: no source could serve tiny:
        - path: these are other weights

  pulumi:pulumi:Stack (slm-dev):
    error: update failed
    Traceback (most recent call last):
"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("error: incorrect passphrase", ("passphrase does not open", "unset it")),
        ("error: the stack is currently locked by 1 lock(s)", ("holds this stack's lock", "pulumi cancel -s dev")),
        ("Cannot connect to the Docker daemon at unix:///x", ("engine does not answer", "start it")),
        ("dial unix /var/run/docker.sock: permission denied while trying docker.sock", ("may not use", "usermod")),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", ("port was taken", "Pulumi.dev.yaml")),
        ("container not in healthy state", ("did not become healthy", "label=slm.stack=dev")),
        ("command [ssh -F none] has exited: Host key verification failed.", ("another SSH host key", "host_key")),
        (
            "command [ssh -o x] has exited with signal: killed",
            ("connection to the host's Docker engine", "goes on from there"),
        ),
        ("Error: No such image: sha256:00", ("is gone", "make up STACK=dev")),
    ],
)
def test_known_failures_are_told_in_words(output: str, words: tuple[str, ...]) -> None:
    text = str(explain("dev", "up", f"noise\n  {output}\nmore noise"))
    for word in (*words, "seen: ", output.split(":")[0][:20]):
        assert word in text
    assert "harm:" in text
    assert "fix:" in text


def test_a_failed_job_is_told_in_its_own_last_words_and_nothing_after_them() -> None:
    text = str(explain("dev", "up", JOB))
    assert "these are other weights" in text
    assert "Traceback" not in text
    assert "update failed" not in text
    assert "kept and resumed" in text


def test_an_unknown_failure_shows_the_end_of_what_pulumi_said() -> None:
    text = str(explain("dev", "up", "\n".join(f"line {n}" for n in range(100))))
    assert "pulumi up failed on stack 'dev'" in text
    assert "line 99" in text
    assert "line 70" not in text
    assert len(text.splitlines()) < 40


def test_a_programs_traceback_is_left_out_and_its_error_stays() -> None:
    said = (
        'error: update failed\n    Traceback (most recent call last):\n      File "x.py", line 1, in f\n        f()\n'
    )
    text = str(explain("dev", "up", f"before\n{said}    KeyboardInterrupt\nDuration: 3s\n"))
    assert "Traceback" not in text
    assert "x.py" not in text
    for word in ("before", "update failed", "KeyboardInterrupt", "Duration: 3s"):
        assert word in text


def test_a_fix_of_several_lines_is_indented_below_its_first() -> None:
    assert str(UserError("what", harm="harm", fix="one\ntwo")) == "what\n  harm: harm\n  fix:  one\n        two"
