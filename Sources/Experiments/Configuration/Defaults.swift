extension KeyedDecodingContainer {
    /// Sets a value that has a default already, where the key is present.
    package func decode<T: Decodable>(_ key: Key, into value: inout T) throws {
        value = try decodeIfPresent(T.self, forKey: key) ?? value
    }
}
