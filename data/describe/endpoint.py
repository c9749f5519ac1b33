"""Which chat model is asked, and where: an OpenAI-compatible endpoint and its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from zscr.errors import ConfigError

DEFAULT = "https://api.openai.com/v1"
_LONGEST = 2000  # characters of a URL
_SECRET = 16  # letters that a key has at least; local servers are given any word


@dataclass(frozen=True)
class Endpoint:
    """Which model is asked, and where.

    Attributes:
        base_url: such as `http://localhost:8080/v1`.
        model: as the server calls it.
        key: sent to the server and told nobody else; a local one needs none.
        temperature, seed: None leaves them to the server.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    temperature: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if not _is_url(self.base_url):
            raise ConfigError(
                "the base URL of the endpoint is none; write one such as http://localhost:8080/v1"
            )
        if not self.model.isprintable() or not 0 < len(self.model) <= 200:
            raise ConfigError(
                f"the model {self.model!a:.60} is none; name one of {self.address} in 1 to 200 "
                f"characters"
            )
        if not _is_plain(self.key):
            raise ConfigError(
                "the API key holds characters that no key has; look at OPENAI_API_KEY for a line "
                "end or a space"
            )
        if self.base_url == DEFAULT and not self.key:
            raise ConfigError(
                f"{DEFAULT} needs a key; set OPENAI_API_KEY, or name another server with "
                f"--base-url: a local one needs none"
            )

    @property
    def address(self) -> str:
        """The base URL without a user, a password and a query."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"

    @property
    def asked(self) -> str:
        """The base URL without a query, which stands at the end of what is asked."""
        return urlsplit(self.base_url)._replace(query="", fragment="").geturl()

    @property
    def query(self) -> dict[str, str]:
        """The query of the base URL, such as `api-version`."""
        return dict(parse_qsl(urlsplit(self.base_url).query, keep_blank_values=True))

    def gives_away(self, text: str) -> bool:
        """Say whether a text holds the key; a short one, as `none`, is no secret but a word."""
        return len(self.key) >= _SECRET and self.key in text

    def without_secrets(self, text: str) -> str:
        """Return a text of the server without the key and the password, if it repeats them."""
        for secret in (self.key, urlsplit(self.base_url).password):
            text = text.replace(secret, "…") if secret else text
        return text


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its port is no number
        return False
    return named and len(url) <= _LONGEST and _is_plain(url)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
