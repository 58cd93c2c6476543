// `import Condense` brings the whole library.
@_exported public import Codecs
@_exported public import Datasets
@_exported public import EntropyCoding
@_exported public import Experiments
@_exported public import Media
@_exported public import ModelCompression
@_exported public import Networks
@_exported public import SparseAutoencoders
@_exported public import Torch
@_exported public import TorchNN
