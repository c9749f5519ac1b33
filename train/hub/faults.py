"""What a hub can refuse for good, in words."""

from __future__ import annotations

from typing import Any

from zscr.errors import ConfigError
from zscr.train.hub.name import ModelName

_TOKEN = "the token in HF_TOKEN may not be valid or not be allowed to read it"
_NO_TOKEN = "if it is private or gated, set HF_TOKEN to a token that may read it"


def refusal(name: ModelName, host: str, response: Any, *, known: bool) -> ConfigError:
    """Return why a hub does not give what is asked for, from its answer.

    A hub hides private repositories: it answers as if there were none, with 401 to who is nobody.

    Args:
        name, host: what was asked for, and of whom.
        response: the answer.
        known: whether a token was sent.
    """
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if code == "RevisionNotFound":
        return ConfigError(_no_revision(name, host))
    if code == "GatedRepo":
        done = "with the account of the token" if known else "and set HF_TOKEN to a token"
        said = f"{name.repository} is gated on {host}: its authors give it to whom they know; ask "
        return ConfigError(f"{said}for it on its page there {done}")
    if code == "EntryNotFound":
        return ConfigError(f"{host} lists a file of '{name}' that it has not; ask another hub")
    if code == "RepoNotFound" or status in (401, 403, 404):
        hint = _TOKEN if known else _NO_TOKEN
        said = f"{host} has no model '{name}' for you (it answers {status}); check the name; "
        return ConfigError(said + hint)
    return ConfigError(f"{host} answers {status} when asked for '{name}'; check the name")


def _no_revision(name: ModelName, host: str) -> str:
    if name.is_commit:
        said = f"{name.repository} has no commit {name.revision} on {host}; name another, or remove"
        return f"{said} {name.pins} if that is where it comes from"
    return (
        f"{name.repository} has no revision '{name.revision}' on {host}; leave it out for the "
        f"newest, or name a branch, a tag or a commit of it"
    )
