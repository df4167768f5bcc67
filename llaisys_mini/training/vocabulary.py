"""Byte-level BPE as Qwen's tokenizer has it, with merges learned from a text of ours."""

from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# The pattern of Qwen2, Qwen2.5 and Qwen3: words with their leading space, single digits, punctuation.
PRE_TOKENIZER_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SMALLEST = 256  # tokens: one for each byte


def learn_tokenizer(texts: Iterable[str], size: int, special: Sequence[str], visible: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer with `size` tokens in all. special: tokens that no text can spell and that are hidden when ids are
    decoded; visible: such tokens that are shown. The texts hold none of either."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRE_TOKENIZER_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(special) - len(visible),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),  # so that any text at all can be encoded
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in visible])
    return tokenizer
