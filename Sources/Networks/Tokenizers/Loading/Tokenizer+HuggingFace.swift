public import Foundation

extension Tokenizer {
    /// Reads a model's tokenizer from its Hugging Face folder: `tokenizer.json`, and if there
    /// `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja`.
    ///
    /// Padding and truncation that `tokenizer.json` asks for are left to the caller, as `transformers` does.
    /// - Throws: ``TokenizerError``, naming the file and key that is missing, wrong or unsupported.
    public convenience init(folder: URL) throws(TokenizerError) {
        func bytes(_ name: String) throws(TokenizerError) -> [UInt8]? {
            let file = folder.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: file.path) else { return nil }
            do {
                return [UInt8](try Data(contentsOf: file))
            } catch {
                throw .unreadable(path: file.path, reason: error.localizedDescription)
            }
        }
        guard let tokenizer = try bytes("tokenizer.json") else {
            throw .unreadable(
                path: folder.appendingPathComponent("tokenizer.json").path,
                reason: "there is no such file; the folder must hold a model in Hugging Face's layout")
        }
        try self.init(
            tokenizerJSON: tokenizer, configurationJSON: try bytes("tokenizer_config.json"),
            specialTokensMapJSON: try bytes("special_tokens_map.json"), chatTemplate: try bytes("chat_template.jinja"))
    }

    /// The same from the files' contents.
    package convenience init(
        tokenizerJSON: [UInt8], configurationJSON: [UInt8]? = nil, specialTokensMapJSON: [UInt8]? = nil,
        chatTemplate: [UInt8]? = nil
    ) throws(TokenizerError) {
        let pipeline = try TokenizerFile.pipeline(tokenizerJSON)
        var roles: [String: String] = [:]
        var template = chatTemplate.map { String(decoding: $0, as: UTF8.self) }
        for json in [specialTokensMapJSON, configurationJSON] {
            guard let json else { continue }
            let document = try JSONDocument(json)
            let root = JSONField(document.root, path: "")
            for role in SpecialTokens.roles {
                let field = root["\(role)_token"]
                // Either the token itself or an object with its flags.
                if let token = field.view?.string ?? field["content"].view?.string { roles[role] = token }
            }
            if template == nil { template = Self.chatTemplate(root["chat_template"]) }
        }
        self.init(
            pipeline: pipeline, specialTokens: SpecialTokens(roles.compactMapValues { pipeline.id(of: Array($0.utf8)) }),
            chatTemplate: template.map { ChatTemplate($0, specialTokens: roles) })
    }

    /// A template is a string, or a list of named ones of which `default` is the one for conversations.
    private static func chatTemplate(_ field: JSONField) -> String? {
        if let template = field.view?.string { return template }
        for element in field.view?.elements.map(Array.init) ?? [] where element["name"]?.string == "default" {
            return element["template"]?.string
        }
        return nil
    }
}

extension Tokenizer.SpecialTokens {
    static let roles = ["bos", "eos", "pad", "unk", "sep", "cls", "mask"]

    init(_ ids: [String: Int]) {
        self.init()
        (bos, eos, pad, unk) = (ids["bos"], ids["eos"], ids["pad"], ids["unk"])
        (sep, cls, mask) = (ids["sep"], ids["cls"], ids["mask"])
    }
}
