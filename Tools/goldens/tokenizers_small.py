"""Small tokenizers that together use every component: trained on the lines, a few kilobytes of JSON each."""
import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
          r"|\s+(?!\S)|\s").replace("{1,3}+", "{1,3}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def byte_level(pre, lines, size=420, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=["<|endoftext|>", "<s>"],
        show_progress=False, **{key: value for key, value in options.items() if key == "end_of_word_suffix"})
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def split_then_bytes(*expressions):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions] + [pre_tokenizers.ByteLevel(False, use_regex=False)])


def spelled(tokenizer, **model):
    """The JSON text, with options of the model changed."""
    data = json.loads(tokenizer.to_str())
    data["model"].update(model)
    return data


def small_tokenizers(lines):
    out = {}
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), lines)
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    out["gpt2"] = spelled(t)

    t = byte_level(split_then_bytes(LLAMA3), lines)
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])])
    # Tokens that no merge leads to, reachable only as whole words.
    data = spelled(t, ignore_merges=True)
    for word in (" compression", "Привет", " =>"):
        token = pre_tokenizers.ByteLevel(False, use_regex=False).pre_tokenize_str(word)[0][0]
        data["model"]["vocab"][token] = len(data["model"]["vocab"])
    out["llama3"] = data

    t = byte_level(split_then_bytes(QWEN2), lines)
    t.normalizer = normalizers.NFC()
    data = spelled(t)
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    out["qwen2"] = data

    out["cl100k"] = spelled(byte_level(split_then_bytes(CL100K), lines))
    out["o200k"] = spelled(byte_level(split_then_bytes(O200K), lines))

    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"), pre_tokenizers.Split(Regex(r"\s?[A-Za-zµÀ-ÖØ-öø-ʯͰ-ӿ]+"), "isolated"),
        pre_tokenizers.Split(Regex(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), "isolated"), pre_tokenizers.Split(Regex(r"[一-龥ࠀ-一가-퟿]+"), "isolated"),
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False, use_regex=False)])
    out["deepseek"] = spelled(byte_level(pre, lines))

    t = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(False, use_regex=True)]),
                   lines, unk_token="<|endoftext|>", end_of_word_suffix="</w>", fuse_unk=False)
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 0), ("<s>", 1))
    out["clip"] = spelled(t)

    def scalar_level(size=320, alphabet=150, **options):
        tokenizer = Tokenizer(models.BPE(**options))
        return tokenizer, trainers.BpeTrainer(
            vocab_size=size, limit_alphabet=alphabet, show_progress=False, special_tokens=["<unk>", "<s>", "</s>"],
            **{key: value for key, value in options.items() if key == "continuing_subword_prefix"})

    t, trainer = scalar_level(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=576, limit_alphabet=150, show_progress=False, max_token_length=12,
                                  special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])
    t.train_from_iterator(lines, trainer)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    out["llama2"] = spelled(t)

    t, trainer = scalar_level(unk_token="<unk>", fuse_unk=False)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.train_from_iterator(lines, trainer)
    t.decoder = decoders.Metaspace()
    out["metaspace"] = spelled(t)

    t, trainer = scalar_level(unk_token="<unk>", fuse_unk=True)
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first", split=False), pre_tokenizers.Split("▁", "contiguous"),
                                               pre_tokenizers.Split(Regex(r"\p{Lu}"), "merged_with_next"), pre_tokenizers.Split(",", "merged_with_previous")])
    t.train_from_iterator(lines, trainer)
    out["nfkc"] = spelled(t)

    t, trainer = scalar_level(unk_token="<unk>", continuing_subword_prefix="##")
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=False)])
    t.train_from_iterator(lines, trainer)
    t.decoder = decoders.WordPiece("##")
    out["nfkd"] = spelled(t)

    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=None, lowercase=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous")])
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=400, limit_alphabet=200, show_progress=False,
                                                           special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.decoder = decoders.WordPiece()
    out["cased"] = spelled(t)

    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), lines, size=300)
    t.normalizer = normalizers.Lowercase()
    t.add_tokens([AddedToken("MASK", single_word=True, normalized=False), AddedToken("left", lstrip=True, normalized=True), AddedToken("Right", rstrip=True, normalized=True),
                  AddedToken("\n\n", normalized=False), AddedToken("<tool>", lstrip=True, rstrip=True, normalized=False), AddedToken("##", normalized=False), AddedToken("###", normalized=False)])
    t.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|im_"])
    out["added"] = spelled(t)
    return {name: json.dumps(data, ensure_ascii=False, separators=(",", ":")) for name, data in out.items()}
