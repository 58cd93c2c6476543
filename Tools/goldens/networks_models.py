"""Fixtures for the language models: tiny random models in the Hugging Face layout with their outputs, and slices of the
activations of SmolLM2-135M-Instruct (dequantised) and all-MiniLM-L6-v2.

Made with transformers 5.23.0, torch 2.13.0 (CPU), safetensors 0.8.0; seed 11.
Usage: python networks_models.py SMOLLM2.gguf MINILM_FOLDER   (writes to Tests/NetworksTests/Fixtures)
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModel, AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, Qwen2Config,
    Qwen2ForCausalLM,
)

FIXTURES = Path(__file__).resolve().parents[2] / "Tests/NetworksTests/Fixtures"
PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Früher war alles besser, sagte sie, und 3 × 7 = 21 🙂",
]
SENTENCES = ["A man is eating food.", "A man eats something.", "The stock market fell sharply on Monday.", "Hi"]


def save(tensors: dict, path: Path) -> None:
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)


def tiny_decoder(name: str, model) -> None:
    folder = FIXTURES / name
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.25)
            if parameter.dim() == 1:
                parameter.add_(1)
    model.eval().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokens = torch.randint(0, model.config.vocab_size, (2, 20))
    with torch.no_grad():
        save({"tokens": tokens, "logits": model(tokens).logits}, folder / "expected.safetensors")


def tiny_bert() -> None:
    folder = FIXTURES / "tiny-bert"
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, max_position_embeddings=32)
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    tokens = torch.randint(0, 40, (3, 10))
    mask = torch.tensor([[1] * 10, [1] * 7 + [0] * 3, [1] + [0] * 9])
    with torch.no_grad():
        hidden = model(tokens, attention_mask=mask).last_hidden_state
    save({"tokens": tokens, "mask": mask.bool(), "hidden": hidden}, folder / "expected.safetensors")


def smollm(gguf_path: Path) -> None:
    arguments = dict(gguf_file=gguf_path.name)
    tokenizer = AutoTokenizer.from_pretrained(gguf_path.parent, **arguments)
    model = AutoModelForCausalLM.from_pretrained(
        gguf_path.parent, dtype=torch.float32, attn_implementation="eager", **arguments).eval()
    seen = {}

    def keep(name, tensor):
        seen[name] = tensor

    for layer in (0, 13, 29):
        block = model.model.layers[layer]
        prefix = f"blocks.{layer}."
        block.self_attn.q_proj.register_forward_hook(lambda m, i, o, p=prefix: keep(p + "attn.hook_q", o))
        block.self_attn.o_proj.register_forward_hook(
            lambda m, i, o, p=prefix: (keep(p + "attn.hook_z", i[0]), keep(p + "hook_attn_out", o)) and None)
        block.mlp.gate_proj.register_forward_hook(lambda m, i, o, p=prefix: keep(p + "mlp.hook_pre", o))
        block.mlp.up_proj.register_forward_hook(lambda m, i, o, p=prefix: keep(p + "mlp.hook_pre_linear", o))
        block.mlp.down_proj.register_forward_hook(
            lambda m, i, o, p=prefix: (keep(p + "mlp.hook_post", i[0]), keep(p + "hook_mlp_out", o)) and None)
        block.register_forward_hook(
            lambda m, i, o, p=prefix: keep(p + "hook_resid_post", o[0] if isinstance(o, tuple) else o))
    tensors = {}
    for index, prompt in enumerate(PROMPTS):
        tokens = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            output = model(tokens, output_attentions=True)
        logits = output.logits[0]
        tensors[f"{index}.tokens"] = tokens
        tensors[f"{index}.logits"] = logits[:, ::997]  # every 997th of the vocabulary
        tensors[f"{index}.top.values"], tensors[f"{index}.top.tokens"] = logits[-1].topk(16)
        tensors[f"{index}.loss"] = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:], reduction="none")
        if index == 1:
            for name, tensor in seen.items():
                tensors[f"hook.{name}"] = tensor[0, :, ::16]
            tensors["hook.blocks.13.attn.hook_pattern"] = output.attentions[13][0, ::4]
    with torch.no_grad():
        tokens = tensors["0.tokens"]
        tensors["greedy"] = model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=16, do_sample=False)[0]
    save(tensors, FIXTURES / "smollm2.safetensors")


def minilm(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch.attention_mask.unsqueeze(-1)
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    save({"tokens": batch.input_ids, "mask": batch.attention_mask.bool(), "vectors": vectors}, FIXTURES / "minilm.safetensors")
    (FIXTURES / "minilm-sentences.json").write_text(json.dumps(SENTENCES))


def main() -> None:
    torch.manual_seed(11)
    sizes = dict(
        vocab_size=50, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64)
    tiny_decoder("tiny-llama3", LlamaForCausalLM(LlamaConfig(
        **sizes, head_dim=8, tie_word_embeddings=False, attention_bias=True, rms_norm_eps=1e-5, rope_parameters={
            "rope_type": "llama3", "rope_theta": 1000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16})))
    tiny_decoder("tiny-qwen2", Qwen2ForCausalLM(Qwen2Config(**sizes, tie_word_embeddings=True)))
    tiny_bert()
    smollm(Path(sys.argv[1]))
    minilm(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
