"""Code is found in an answer without being run."""

from __future__ import annotations

import pytest

from ops.smoke.sandbox import MAX_CODE, code_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "answer",
    [
        "def f(n):\n    return n\n",
        "Here it is:\n```python\ndef f(n):\n    return n\n```\nIt returns n.",
        "```\ndef f(n):\n    return n\n```",
        "```py\ndef f(n):\n    return n\n",
        "```Python\ndef f(n):\n    return n\n```\nUse it:\n```python\nf(3)\n```",
    ],
)
def test_code_is_found_with_and_without_fences(answer: str) -> None:
    assert "def f(n):\n    return n\n" in code_in(answer)


@pytest.mark.parametrize("answer", ["I cannot do that.", "```python\ndef f(n) return n\n```", "x = 1\n" * MAX_CODE])
def test_what_is_no_code_says_so(answer: str) -> None:
    with pytest.raises(ValueError, match="code"):
        code_in(answer)
