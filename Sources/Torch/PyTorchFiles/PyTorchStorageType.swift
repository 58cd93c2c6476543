/// PyTorch's names of storages, which say the type of a tensor's elements.
enum PyTorchStorageType {
    static let dtypes: [String: DType] = [
        "ByteStorage": .uint8, "CharStorage": .int8, "ShortStorage": .int16, "IntStorage": .int32, "LongStorage": .int64,
        "HalfStorage": .float16, "BFloat16Storage": .bfloat16, "FloatStorage": .float32, "DoubleStorage": .float64,
        "BoolStorage": .bool, "ComplexFloatStorage": .complex64, "ComplexDoubleStorage": .complex128,
    ]

    static let names = Dictionary(uniqueKeysWithValues: dtypes.map { ($1, $0) })
}
