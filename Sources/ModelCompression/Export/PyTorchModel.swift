internal import Foundation

/// What an export tells Python.
enum PyTorchModel {
    static let fileName = "modeling_condense.py"

    /// How to try an export, with the authors and the licence of what it was made from.
    static func readMe(_ record: ExportRecord, attribution: String?) -> String {
        let percent = record.sourceBytes > 0 ? " (\(100 * record.bytes / record.sourceBytes) % of \(record.sourceBytes))" : ""
        let method = record.method.map { ", made by \($0)" } ?? ""
        return """
            # A network exported by Condense

            Mode `\(record.mode)`\(method): \(record.bytes) bytes of weights\(percent). `config.json` describes the network, `condense.json` how it
            was made, and `modeling_condense.py` is all the code it needs, with the packages torch and safetensors. In this folder:

            ```python
            import torch
            from safetensors.torch import load_file
            from modeling_condense import load_model

            model = load_model(".")
            parity = load_file("parity.safetensors")
            with torch.no_grad():
                output = model(parity["input"])
            error = (output - parity["output"]).abs().max() / parity["output"].abs().max()
            print(f"largest difference {error:.1e}")
            assert error < 1e-4
            ```
            \(attribution.map { "\n## Made from\n\n\($0)\n" } ?? "")
            """
    }

    /// A module that computes any exported graph and unpacks its weights.
    static let source = #"""
        """The network of this folder in plain PyTorch: `load_model(folder)`. Needs torch and safetensors."""

        import json
        import math
        from functools import reduce
        from pathlib import Path

        import torch
        import torch.nn.functional as F
        from safetensors.torch import load_file
        from torch import nn


        def bits(packed, count):
            """Truth values from bytes, the lowest bit first: [..., count]."""
            return (packed.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8) & 1).bool().flatten(-2)[..., :count]


        def unpack(tensors, prefix):
            """The dense weight of the tensors `prefix.…` that it is stored as."""
            part = {key.removeprefix(prefix + "."): value for key, value in tensors.items() if key.startswith(prefix + ".")}
            values, shape = part["compressed"], part["shape"].tolist()
            rows, columns = shape[0], math.prod(shape[1:])
            dense = torch.zeros(rows, columns, dtype=values.dtype)
            if "bitmask" in part:
                dense[bits(part["bitmask"], columns)] = values
            elif "columns" in part:
                starts = part["row_offsets"].long()
                row = torch.repeat_interleave(torch.arange(rows), starts[1:] - starts[:-1])
                dense[row, part["columns"].to(torch.int64)] = values
            elif "block_mask" in part:
                height, width = values.shape[1:]
                down, across = -(-rows // height), -(-columns // width)
                blocks = torch.zeros(down * across, height, width, dtype=values.dtype)
                blocks[bits(part["block_mask"], down * across)] = values
                dense = blocks.view(down, across, height, width).transpose(1, 2).reshape(down * height, across * width)[:rows, :columns]
            else:
                kept, group = part["pattern"].tolist()
                size = group.bit_length() - 1
                positions = (bits(part["positions"], values.numel() * size).view(*values.shape, size) * 2 ** torch.arange(size)).sum(-1)
                groups = torch.zeros(rows, values.shape[1], group, dtype=values.dtype)
                dense = groups.scatter(2, positions, values).flatten(1)[:, :columns]
            return dense.reshape(shape)


        ACTIVATIONS = {
            "identity": lambda x: x, "relu": F.relu, "relu6": F.relu6, "leakyReLU": lambda x, negativeSlope: F.leaky_relu(x, negativeSlope),
            "elu": lambda x, alpha: F.elu(x, alpha), "selu": F.selu, "celu": lambda x, alpha: F.celu(x, alpha), "gelu": F.gelu,
            "geluTanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "mish": F.mish, "sigmoid": torch.sigmoid,
            "logSigmoid": F.logsigmoid, "tanh": torch.tanh, "softplus": lambda x, beta, threshold: F.softplus(x, beta, threshold),
            "softsign": F.softsign, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid,
            "hardtanh": lambda x, **ends: x.clamp(ends["from"], ends["to"]), "softshrink": lambda x, threshold: F.softshrink(x, threshold),
            "hardshrink": lambda x, threshold: F.hardshrink(x, threshold), "tanhshrink": F.tanhshrink,
            "threshold": lambda x, value, **limit: F.threshold(x, limit["_0"], value),
        }


        class GraphModel(nn.Module):
            """Computes what `graph` of config.json says, in evaluation; weights have their names in the state dictionary."""

            BUFFERS = ("running_mean", "running_var")

            def __init__(self, graph, state):
                super().__init__()
                self.graph = graph["nodes"]
                for name, tensor in state.items():
                    *path, leaf = name.split(".")
                    module = self
                    for step in path:
                        if step not in module._modules:
                            module.add_module(step, nn.Module())
                        module = module._modules[step]
                    if leaf in self.BUFFERS:
                        module.register_buffer(leaf, tensor)
                    else:
                        module.register_parameter(leaf, nn.Parameter(tensor))

            def forward(self, x):
                state, outputs = dict(self.named_parameters()) | dict(self.named_buffers()), []
                for node in self.graph:
                    (kind, settings), = node["operation"].items()
                    owner = self.graph[node["weightsOf"]] if node.get("weightsOf") is not None else node
                    inputs = [outputs[place] for place in node["inputs"]] or [x]
                    outputs.append(self.compute(kind, settings, inputs, lambda name: state.get(f"{owner['name']}.{name}")))
                return outputs[-1]

            @staticmethod
            def compute(kind, settings, inputs, weight):
                x, own = inputs[0], settings.get("_0")
                if kind == "convolution":
                    above, below, left, right = own["padding"]
                    return F.conv2d(F.pad(x, (left, right, above, below)), weight("weight"), weight("bias"), own["stride"], 0, own["dilation"], own["groups"])
                if kind == "linear":
                    return F.linear(x, weight("weight"), weight("bias"))
                if kind == "embedding":
                    return F.embedding(x, weight("weight"))
                if kind == "lstm":
                    state = [torch.zeros(1, x.shape[0], settings["hiddenSize"], dtype=x.dtype, device=x.device)] * 2
                    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
                    return torch.lstm(x, state, [weight(name) for name in names], True, 1, 0.0, False, False, True)[0]
                if kind == "batchNorm":
                    return F.batch_norm(x, weight("running_mean"), weight("running_var"), weight("weight"), weight("bias"), False, 0.0, settings["epsilon"])
                if kind == "layerNorm":
                    return F.layer_norm(x, [settings["size"]], weight("weight"), weight("bias"), settings["epsilon"])
                if kind == "activation":
                    (name, values), = own.items()
                    return ACTIVATIONS[name](x, **values)
                if kind in ("maxPool", "averagePool"):
                    return (F.max_pool2d if kind == "maxPool" else F.avg_pool2d)(x, own["kernel"], own["stride"], own["padding"])
                return {
                    "input": lambda: x, "dropout": lambda: x, "add": lambda: sum(inputs[1:], x), "multiply": lambda: reduce(torch.mul, inputs),
                    "concatenate": lambda: torch.cat(inputs, 1), "globalAveragePool": lambda: x.mean((2, 3), keepdim=True), "flatten": lambda: x.flatten(1),
                }[kind]()


        def load_model(folder="."):
            graph = json.loads((Path(folder) / "config.json").read_text())["graph"]
            tensors = load_file(Path(folder) / "model.safetensors")
            packed = {key.removesuffix(".compressed") for key in tensors if key.endswith(".compressed") and key.removesuffix("compressed") + "shape" in tensors}
            names = {prefix: prefix if prefix.rpartition(".")[2].startswith("weight_") else prefix + ".weight" for prefix in packed}
            parts = ("compressed", "shape", "bitmask", "row_offsets", "columns", "block_mask", "positions", "pattern")
            state = {key: value for key, value in tensors.items() if not (key.rpartition(".")[0] in packed and key.rpartition(".")[2] in parts)}
            return GraphModel(graph, state | {names[prefix]: unpack(tensors, prefix) for prefix in packed}).eval()

        """#
}
