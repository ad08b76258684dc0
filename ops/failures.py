"""Known failures of a deployment, told as what happened, what it means and what to do."""

from __future__ import annotations

import re

from ops.errors import UserError

KNOWN: tuple[tuple[str, str, str, str], ...] = (
    (
        r"incorrect passphrase",
        "the passphrase does not open this stack's secrets",
        "nothing was changed; with the wrong passphrase no key can be read",
        "set PULUMI_CONFIG_PASSPHRASE_FILE to the right file, or unset it so that .slm/{stack}/passphrase is used",
    ),
    (
        r"the stack is currently locked by",
        "another deployment holds this stack's lock",
        "two at once would corrupt the state, so this one stopped",
        'wait for it to end; if it was killed: eval "$(make -s env STACK={stack})" && pulumi cancel -s {stack},'
        " then run the command again",
    ),
    (
        r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED",
        "the host shows another SSH host key than the one that is pinned",
        "another machine may answer in its place, so it was not trusted",
        "read the key on the host itself; if it was really changed, put the new one into host_key",
    ),
    (
        r"command \[ssh |ssh: connect to host|client_loop: send disconnect|server .* not responding|Connection aborted",
        "the connection to the host's Docker engine failed in the middle of the deployment",
        "what was done is kept in the state; what ran there goes on",
        "make up STACK={stack} again: it goes on from there",
    ),
    (
        r"Cannot connect to the Docker daemon|Is the docker daemon running|error during connect",
        "the Docker engine does not answer",
        "nothing can be deployed, and what runs cannot be seen",
        "start it (make setup says how on this machine), then run the command again",
    ),
    (
        r"permission denied.*docker\.sock",
        "this user may not use the Docker engine's socket",
        "nothing can be deployed",
        'sudo usermod -aG docker "$USER", log in again, then run the command again',
    ),
    (
        r"port is already allocated|address already in use",
        "the gateway's port was taken in the middle of the deployment",
        "the gateway does not run; everything else is as declared",
        "free the port or set another in Pulumi.{stack}.yaml (slm:gateway: port), then run the command again",
    ),
    (
        r"container failed to be in healthy state|not in healthy state|failed to be in healthy state",
        "a container did not become healthy in time",
        "it is left running so that it can be looked at; the stack is incomplete",
        "docker ps -a --filter label=slm.stack={stack}, docker logs NAME, then run the command again",
    ),
    (
        r'unable to replace resource "urn:|resource "urn:[^"]*" cannot be deleted',
        "a protected resource would be replaced or deleted",
        "what it holds would be lost; Pulumi stopped before it",
        "make preview STACK={stack} names every one; slm:allow_replace allows what is meant (docs/operations.md)",
    ),
    (
        r"No such image",
        "an image that this stack recorded is gone from the Docker engine",
        "its container cannot be made",
        "make up STACK={stack} builds or pulls it again",
    ),
)


def explain(stack: str, command: str, output: str) -> UserError:
    """The output of a failed Pulumi command as one error; unknown failures show Pulumi's own last lines."""
    for pattern, what, harm, fix in KNOWN:
        if re.search(pattern, output, re.IGNORECASE):
            found = _evidence(pattern, output)
            return UserError(f"{what}\n  seen: {found}", harm=harm, fix=fix.format(stack=stack))
    # The first mention is a row of Pulumi's display, cut after its first line; the last one is complete.
    if job := re.search(r".*(job '[^']+' ended with exit code.*)", output, re.DOTALL):
        return UserError(
            "\n".join(job.group(1).split("\n\n")[0].splitlines()[:12]),
            harm="the volume is not complete, so nothing that needs it was started",
            fix=f"mend what the last line says, then make up STACK={stack}: what was fetched is kept and resumed",
        )
    tail = [line for line in _TRACEBACK.sub("", output).splitlines() if line.strip()][-25:]
    return UserError(
        f"pulumi {command} failed on stack '{stack}'; it said:\n  " + "\n  ".join(tail),
        harm="the stack may be incomplete; its state is consistent",
        fix=f"mend what it says, then run the command again; make preview STACK={stack} shows what is left to do",
    )


_TRACEBACK = re.compile(
    r"^ *Traceback \(most recent call last\):\n(?: +.*\n)*?(?= *\w+(?:Error|Interrupt|Exception)\b)", re.M
)
"""Where in this program something was interrupted says nothing to who deploys; what it ended with stays."""


def _evidence(pattern: str, output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if re.search(pattern, line, re.IGNORECASE)]
    return lines[0][:300] if lines else ""
